"""The networks of include/firecaffe/zoo/ in PyTorch, by name: networks["nin"](norm=True).

Each is a Network whose modules are ours one for one, in our order. Modules remember how ours are filled: `weight_filler`
and `bias_filler` are ("constant", value), ("gaussian", deviation), ("xavier",) or ("msra",).
"""
import torch
from torch import nn
from torch.nn.functional import cross_entropy


class Loss(nn.Module):
    """Where our list of layers has a loss: passes its input on."""

    def forward(self, x):
        return x


class Tap(nn.Module):
    """A head at the side: keeps the scores of its branch and passes the input on."""

    def __init__(self, weight, *modules):
        super().__init__()
        self.weight, self.branch = weight, nn.Sequential(*modules, Loss())

    def forward(self, x):
        if self.training:
            self.scores = self.branch(x)
        return x


class Concat(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Residual(nn.Module):
    """shortcut=None: the input itself."""

    def __init__(self, path, shortcut=None):
        super().__init__()
        self.path, self.shortcut = path, shortcut

    def forward(self, x):
        return self.path(x) + (x if self.shortcut is None else self.shortcut(x))


class Network(nn.Module):
    """Gives its scores; in training those of its heads first, as a tuple."""

    def __init__(self, shape, classes, *modules):
        super().__init__()
        self.shape, self.classes = shape, classes
        self.body = nn.Sequential(*modules, Loss())
        self.taps = [m for m in self.modules() if isinstance(m, Tap)]

    def forward(self, x):
        x = self.body(x)
        return (*(t.scores for t in self.taps), x) if self.training and self.taps else x

    def losses(self, scores, labels):
        """Of each head and of the network, unweighted; their sum as weighted."""
        scores = scores if isinstance(scores, tuple) else (scores,)
        each = [cross_entropy(s, labels) for s in scores]
        return each, sum(w * e for w, e in zip([t.weight for t in self.taps] + [1], each))


class Regression(Network):
    """Has targets instead of labels: half the squared distance, a sample."""

    def losses(self, scores, targets):
        each = [((scores - targets) ** 2).sum() / (2 * len(targets))]
        return each, each[0]


XAVIER, MSRA, ZERO = ("xavier",), ("msra",), ("constant", 0.0)


def gaussian(deviation):
    return "gaussian", deviation


def constant(value):
    return "constant", value


def filled(module, weight, bias):
    module.weight_filler, module.bias_filler = weight, bias
    return module


def conv(inputs, outputs, kernel, stride=1, pad=0, groups=1, weight=XAVIER, bias=ZERO):
    """bias=None: has none."""
    return filled(nn.Conv2d(inputs, outputs, kernel, stride, pad, groups=groups, bias=bias is not None), weight, bias)


def dense(inputs, outputs, weight=XAVIER, bias=ZERO):
    return filled(nn.Linear(inputs, outputs), weight, bias)


def relu():
    return nn.ReLU(inplace=True)


def conv_relu(*args, **more):
    return nn.Sequential(conv(*args, **more), relu())


def caffe_pool():
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def caffe_norm(norm):
    """Caffe's scaling of alpha by the size of the window is PyTorch's too."""
    return [nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)] if norm else []


def global_average():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def lenet(norm=True):
    return Network((1, 28, 28), 10,
                   conv(1, 20, 5), nn.MaxPool2d(2, 2), conv(20, 50, 5), nn.MaxPool2d(2, 2),
                   nn.Flatten(), dense(800, 500), relu(), dense(500, 10))


def nin(norm=True):
    def gaussian_conv(inputs, outputs, deviation, kernel, **more):
        return conv_relu(inputs, outputs, kernel, weight=gaussian(deviation), **more)

    def mlp_conv(inputs, outputs, deviation, kernel, **more):
        return nn.Sequential(gaussian_conv(inputs, outputs, deviation, kernel, **more),
                             gaussian_conv(outputs, outputs, 0.05, 1), gaussian_conv(outputs, outputs, 0.05, 1))

    return Network((3, 224, 224), 1000,
                   mlp_conv(3, 96, 0.01, 11, stride=4), caffe_pool(),
                   mlp_conv(96, 256, 0.05, 5, pad=2), caffe_pool(),
                   mlp_conv(256, 384, 0.01, 3, pad=1), caffe_pool(), nn.Dropout(0.5),
                   gaussian_conv(384, 1024, 0.05, 3, pad=1), gaussian_conv(1024, 1024, 0.05, 1),
                   gaussian_conv(1024, 1000, 0.01, 1), global_average())


def googlenet(norm=True, heads=True):
    bias = constant(0.2)

    def unit(inputs, outputs, kernel, **more):
        return conv_relu(inputs, outputs, kernel, bias=bias, **more)

    def inception(inputs, o1, r3, o3, r5, o5, projection):
        return Concat(unit(inputs, o1, 1),
                      nn.Sequential(unit(inputs, r3, 1), unit(r3, o3, 3, pad=1)),
                      nn.Sequential(unit(inputs, r5, 1), unit(r5, o5, 5, pad=2)),
                      nn.Sequential(nn.MaxPool2d(3, 1, 1), unit(inputs, projection, 1)))

    def head(inputs):
        return [Tap(0.3, nn.AvgPool2d(5, 3, ceil_mode=True), unit(inputs, 128, 1), nn.Flatten(),
                    dense(2048, 1024, bias=bias), relu(), nn.Dropout(0.7), dense(1024, 1000))] if heads else []

    return Network((3, 224, 224), 1000,
                   unit(3, 64, 7, stride=2, pad=3), caffe_pool(), *caffe_norm(norm),
                   unit(64, 64, 1), unit(64, 192, 3, pad=1), *caffe_norm(norm), caffe_pool(),
                   inception(192, 64, 96, 128, 16, 32, 32), inception(256, 128, 128, 192, 32, 96, 64), caffe_pool(),
                   inception(480, 192, 96, 208, 16, 48, 64), *head(512),
                   inception(512, 160, 112, 224, 24, 64, 64), inception(512, 128, 128, 256, 24, 64, 64),
                   inception(512, 112, 144, 288, 32, 64, 64), *head(528),
                   inception(528, 256, 160, 320, 32, 128, 128), caffe_pool(),
                   inception(832, 256, 160, 320, 32, 128, 128), inception(832, 384, 192, 384, 48, 128, 128),
                   global_average(), nn.Dropout(0.4), dense(1024, 1000))


def alexnet(norm=True, groups=1):
    weight, bias = gaussian(0.01), constant(0.1)

    def hidden(inputs):
        return [dense(inputs, 4096, weight=gaussian(0.005), bias=bias), relu(), nn.Dropout(0.5)]

    return Network((3, 227, 227), 1000,
                   conv_relu(3, 96, 11, stride=4, weight=weight), *caffe_norm(norm), caffe_pool(),
                   conv_relu(96, 256, 5, pad=2, groups=groups, weight=weight, bias=bias), *caffe_norm(norm),
                   caffe_pool(),
                   conv_relu(256, 384, 3, pad=1, weight=weight),
                   conv_relu(384, 384, 3, pad=1, groups=groups, weight=weight, bias=bias),
                   conv_relu(384, 256, 3, pad=1, groups=groups, weight=weight, bias=bias), caffe_pool(),
                   nn.Flatten(), *hidden(9216), *hidden(4096), dense(4096, 1000, weight=weight))


def vgg(*stages):
    modules, inputs = [], 3
    for stage in stages:
        for outputs in stage:
            modules.append(conv_relu(inputs, outputs, 3, pad=1))
            inputs = outputs
        modules.append(nn.MaxPool2d(2, 2))
    return Network((3, 224, 224), 1000, *modules, nn.Flatten(),
                   dense(25088, 4096), relu(), nn.Dropout(0.5), dense(4096, 4096), relu(), nn.Dropout(0.5),
                   dense(4096, 1000))


def squeezenet(norm=True):
    def fire(inputs, squeeze, expand):
        return nn.Sequential(conv_relu(inputs, squeeze, 1),
                             Concat(conv_relu(squeeze, expand, 1), conv_relu(squeeze, expand, 3, pad=1)))

    return Network((3, 227, 227), 1000,
                   conv_relu(3, 96, 7, stride=2), caffe_pool(),
                   fire(96, 16, 64), fire(128, 16, 64), fire(128, 32, 128), caffe_pool(),
                   fire(256, 32, 128), fire(256, 48, 192), fire(384, 48, 192), fire(384, 64, 256), caffe_pool(),
                   fire(512, 64, 256), nn.Dropout(0.5), conv_relu(512, 1000, 1, weight=gaussian(0.01)),
                   global_average())


def norm_conv(inputs, outputs, kernel, **more):
    return nn.Sequential(conv(inputs, outputs, kernel, weight=MSRA, bias=None, **more),
                         filled(nn.BatchNorm2d(outputs), constant(1.0), ZERO))


def basic_blocks(inputs, outputs, stride, count):
    def block(i, s, shortcut):
        return nn.Sequential(Residual(nn.Sequential(norm_conv(i, outputs, 3, stride=s, pad=1), relu(),
                                                    norm_conv(outputs, outputs, 3, pad=1)), shortcut), relu())

    first = norm_conv(inputs, outputs, 1, stride=stride) if stride > 1 else None
    return [block(inputs, stride, first)] + [block(outputs, 1, None) for _ in range(count - 1)]


def bottlenecks(inputs, width, stride, count):
    """The stride is in the first 1 x 1 convolution, as in the paper."""
    def block(i, s, shortcut):
        return nn.Sequential(Residual(nn.Sequential(norm_conv(i, width, 1, stride=s), relu(),
                                                    norm_conv(width, width, 3, pad=1), relu(),
                                                    norm_conv(width, 4 * width, 1)), shortcut), relu())

    first = norm_conv(inputs, 4 * width, 1, stride=stride)
    return [block(inputs, stride, first)] + [block(4 * width, 1, None) for _ in range(count - 1)]


def resnet(features, *blocks):
    return Network((3, 224, 224), 1000, norm_conv(3, 64, 7, stride=2, pad=3), relu(), caffe_pool(), *blocks,
                   global_average(), dense(features, 1000, weight=MSRA))


def cosmoflow(side):
    stages = [(filled(nn.Conv3d(inputs, outputs, 3, padding=1), XAVIER, ZERO), nn.LeakyReLU(0.3), nn.MaxPool3d(2, 2))
              for inputs, outputs in zip((4, 32, 64, 128, 256), (32, 64, 128, 256, 512))]
    return Regression((4, side, side, side), 4, *(m for stage in stages for m in stage), nn.Flatten(),
                      dense(512 * (side // 32) ** 3, 128), nn.LeakyReLU(0.3), dense(128, 64), nn.LeakyReLU(0.3),
                      dense(64, 4))


networks = {
    "lenet": lenet,
    "nin": nin,
    "googlenet": googlenet,
    "googlenet_plain": lambda norm=True: googlenet(norm, heads=False),
    "alexnet": alexnet,
    "bvlc_alexnet": lambda norm=True: alexnet(norm, groups=2),
    "vgg16": lambda norm=True: vgg((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    "vgg19": lambda norm=True: vgg((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
    "squeezenet": squeezenet,
    "resnet18": lambda norm=True: resnet(512, *basic_blocks(64, 64, 1, 2), *basic_blocks(64, 128, 2, 2),
                                         *basic_blocks(128, 256, 2, 2), *basic_blocks(256, 512, 2, 2)),
    "resnet50": lambda norm=True: resnet(2048, *bottlenecks(64, 64, 1, 3), *bottlenecks(256, 128, 2, 4),
                                         *bottlenecks(512, 256, 2, 6), *bottlenecks(1024, 512, 2, 3)),
}

volumes = {"cosmoflow32": lambda: cosmoflow(32)}

if __name__ == "__main__":  # what they are
    for name, make in networks.items():
        print(f"{name:16} {sum(p.numel() for p in make().parameters()):12,} parameters")
