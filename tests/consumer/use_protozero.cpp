// firecaffe::protozero brings protozero.
#include <firecaffe/data/mean_file.hpp>

int main() {
  // num, channels, height and width 1, and one float, 2
  const char message[] = "\x08\x01\x10\x01\x18\x01\x20\x01\x2d\x00\x00\x00\x40";
  return firecaffe::data::parse_mean(message, sizeof message - 1, "mean").values[0] == 2 ? 0 : 1;
}
