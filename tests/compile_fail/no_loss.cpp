// expect: the network has no loss: end it with softmax_loss or euclidean_loss
// expect: trainable<net>
#include "firecaffe/network/model.hpp"
#include "networks.hpp"
#include "reference_layers.hpp"

namespace fc = firecaffe;

struct net : fc::network<fc::input<3>, fc::dense<10>> {};
void train(fc::model<net, fc::reference>& m) { m.backward(1, {.training = true}); }
