#include "firecaffe/observe/console.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

namespace fc = firecaffe;
using fc::observe::console;

static_assert(fc::observer<console>);

fc::step_event at(std::int64_t iteration, double seconds, int epochs = 3) {
  return {.iteration = iteration,
          .epoch = static_cast<int>((iteration - 1) / 50),
          .step = (iteration - 1) % 50,
          .steps_per_epoch = 50,
          .loss = 0.123456,
          .learning_rate = 0.01,
          .images_per_second = 5123.4,
          .seconds = seconds,
          .epochs = epochs};
}

// What is printed to a file that is no terminal.
template <class Act>
std::string lines(int rank, std::int64_t every, Act act) {
  std::FILE* out = std::tmpfile();
  {
    console c(rank, {.out = out, .every = every});
    act(c);
  }
  std::rewind(out);
  std::string all;
  for (int ch; (ch = std::fgetc(out)) != EOF;) all += static_cast<char>(ch);
  std::fclose(out);
  return all;
}

// A pseudo-terminal of some width: what is printed to `out` is read from the other end.
struct pseudo_terminal {
  explicit pseudo_terminal(unsigned short columns) {
    ::setenv("TERM", "xterm", 1);
    master = ::posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0) return;
    const char* name = ::ptsname(master);
    out = name ? std::fopen(name, "r+") : nullptr;
    winsize size{};
    size.ws_col = columns;
    if (out) ::ioctl(fileno(out), TIOCSWINSZ, &size);
    ::fcntl(master, F_SETFL, O_NONBLOCK);
  }
  ~pseudo_terminal() {
    if (out) std::fclose(out);
    if (master >= 0) ::close(master);
  }
  std::string printed() const {
    std::string all;
    char part[4096];
    for (ssize_t n; (n = ::read(master, part, sizeof part)) > 0;) all.append(part, static_cast<std::size_t>(n));
    return all;
  }
  int master = -1;
  std::FILE* out = nullptr;
};

TEST_CASE("a log gets a line per so many iterations, per epoch and per evaluation") {
  const std::string text = lines(0, 20, [](console& c) {
    for (std::int64_t i = 1; i <= 50; ++i) c.on(at(i, 2.0 * static_cast<double>(i)));
    c.on(fc::epoch_event{
        .iteration = 50, .epoch = 0, .loss = 0.2, .images_per_second = 5000, .seconds = 100, .epochs = 3});
    c.on(fc::evaluation_event{.iteration = 50,
                              .epoch = 0,
                              .loss = 0.3,
                              .metrics = {{"top-1 accuracy", 0.9375}},
                              .samples = 10000,
                              .seconds = 101});
  });
  CHECK(text ==
        "epoch 1/3  iteration 20  loss 0.1235  lr 0.01  5123 images/s  ETA 4:20\n"
        "epoch 1/3  iteration 40  loss 0.1235  lr 0.01  5123 images/s  ETA 3:40\n"
        "epoch 1/3 done  iteration 50  loss 0.2  5000 images/s  after 1:40\n"
        "evaluation  iteration 50  loss 0.3  top-1 accuracy 0.9375  on 10000 samples\n");
}

TEST_CASE("the time left counts from where the run resumed; without a number of epochs it is the epoch's") {
  const auto resumed = [](int epochs) {
    return lines(0, 10, [&](console& c) {
      for (std::int64_t i = 101; i <= 110; ++i) c.on(at(i, 100.0 * static_cast<double>(i - 100), epochs));
    });
  };
  CHECK(resumed(3).find("ETA 1:06:40") != std::string::npos);  // 40 of 150 steps left, 100 s each
  CHECK(resumed(4).find("ETA 2:30:00") != std::string::npos);
  CHECK(resumed(0).find("epoch 3  iteration 110") == 0);
  CHECK(resumed(0).find("ETA 1:06:40") != std::string::npos);
}

TEST_CASE("other ranks print nothing, and lines per iteration can be left out") {
  const auto some = [](console& c) {
    for (std::int64_t i = 1; i <= 50; ++i) c.on(at(i, 1));
    c.on(fc::epoch_event{});
    c.on(fc::evaluation_event{});
  };
  CHECK(lines(1, 1, some).empty());
  const std::string text = lines(0, 0, some);
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
}

TEST_CASE("figures that are no numbers are shown as such") {
  const std::string text = lines(0, 1, [](console& c) {
    fc::step_event e = at(1, NAN);
    e.loss = NAN;
    e.images_per_second = 1e300;
    c.on(e);
  });
  CHECK(text.find("loss nan") != std::string::npos);
  CHECK(text.find("1e+300 images/s") != std::string::npos);
  CHECK(text.find("ETA ?") != std::string::npos);
}

TEST_CASE("a terminal gets one line that is drawn over, cleared in the end") {
  pseudo_terminal terminal(110);
  if (!terminal.out) {
    MESSAGE("skipped: no pseudo-terminal to be had");
    return;
  }
  {
    console c(0, {.out = terminal.out});
    c.on(at(25, 10));
    CHECK(terminal.printed() ==
          "\repoch 1/3 [====================>                   ] 25/50  loss 0.1235  lr 0.01  5123 images/s  ETA "
          "20:50\x1b[K");
    c.on(at(26, 10.05));  // too soon
    CHECK(terminal.printed().empty());
    c.on(at(50, 10.06));  // but the last of the epoch is drawn
    CHECK(terminal.printed().find("[========================================] 50/50") != std::string::npos);
    c.on(fc::epoch_event{.iteration = 50, .loss = 0.5, .images_per_second = 10, .seconds = 11, .epochs = 3});
    CHECK(terminal.printed() == "\r\x1b[Kepoch 1/3 done  iteration 50  loss 0.5  10 images/s  after 0:11\r\n");
    c.on(at(51, 12));
    terminal.printed();
  }
  CHECK(terminal.printed() == "\r\x1b[K");
}

TEST_CASE("the line fits the terminal") {
  for (const int columns : {0, 1, 2, 10, 40, 70, 80, 95, 200}) {
    CAPTURE(columns);
    pseudo_terminal terminal(static_cast<unsigned short>(columns));
    if (!terminal.out) return;
    console c(0, {.out = terminal.out});
    c.on(at(49, 10));
    const std::string text = terminal.printed();
    REQUIRE(text.size() >= 4);
    const std::size_t shown = text.size() - 4;  // without \r and the sequence that clears the rest
    CHECK(shown < static_cast<std::size_t>(columns == 0 ? 80 : columns));
    if (columns >= 70 || columns == 0) CHECK(text.find("ETA") != std::string::npos);
  }
}

TEST_CASE("a terminal that knows no control sequences gets lines") {
  pseudo_terminal terminal(80);
  if (!terminal.out) return;
  ::setenv("TERM", "dumb", 1);
  {
    console c(0, {.out = terminal.out, .every = 1});
    c.on(at(1, 1));
  }
  CHECK(terminal.printed().find("epoch 1/3  iteration 1  loss") == 0);
}

TEST_CASE("failing to print is no error") {
  std::FILE* full = std::fopen("/dev/full", "w");
  REQUIRE(full);
  {
    console c(0, {.out = full, .every = 1});
    CHECK_NOTHROW(c.on(at(1, 1)));
  }
  std::fclose(full);
}
