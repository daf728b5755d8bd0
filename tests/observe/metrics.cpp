#include "firecaffe/observe/metrics.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <clocale>
#include <cmath>
#include <cstdlib>

#include "../data/temporary_files.hpp"

namespace fc = firecaffe;
using fc::observe::metrics_file;

static_assert(fc::observer<metrics_file>);

std::string content(const std::string& path) {
  std::string text;
  std::FILE* in = std::fopen(path.c_str(), "rb");
  if (!in) return "missing";
  for (int c; (c = std::fgetc(in)) != EOF;) text += static_cast<char>(c);
  std::fclose(in);
  return text;
}

TEST_CASE("one object per event and line") {
  temporary_directory here;
  const std::string path = here.file("metrics.jsonl");
  metrics_file m(path);
  m.on(fc::step_event{.iteration = 470,
                      .epoch = 1,
                      .step = 0,
                      .steps_per_epoch = 469,
                      .loss = 0.5,
                      .learning_rate = 0.01,
                      .images_per_second = 1e4,
                      .seconds = 12.25,
                      .epochs = 3});
  m.on(fc::epoch_event{
      .iteration = 938, .epoch = 1, .loss = 0.25, .images_per_second = 9876.5, .seconds = 20, .epochs = 3});
  // Flushed by the end of the epoch, while the file is still open.
  const std::string two =
      "{\"event\":\"step\",\"iteration\":470,\"epoch\":1,\"step\":0,\"steps_per_epoch\":469,\"loss\":0.5,"
      "\"learning_rate\":0.01,\"images_per_second\":10000,\"seconds\":12.25}\n"
      "{\"event\":\"epoch\",\"iteration\":938,\"epoch\":1,\"loss\":0.25,\"images_per_second\":9876.5,\"seconds\":20}\n";
  CHECK(content(path) == two);
  m.on(fc::evaluation_event{.iteration = 938,
                            .epoch = 1,
                            .loss = 0.125,
                            .metrics = {{"top-1 accuracy", 0.9375}, {"a \"b\"\\\n", 1}},
                            .samples = 10000,
                            .seconds = 21});
  CHECK(content(path) ==
        two +
            "{\"event\":\"evaluation\",\"iteration\":938,\"epoch\":1,\"loss\":0.125,\"samples\":10000,\"seconds\":21,"
            "\"metrics\":{\"top-1 accuracy\":0.9375,\"a \\\"b\\\"\\\\\\u000a\":1}}\n");
  m.on(fc::evaluation_event{});
  CHECK(content(path).find("\"metrics\":{}}\n") != std::string::npos);
}

TEST_CASE("numbers read back as they were, in any locale; what is not finite is null") {
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8"}) std::setlocale(LC_NUMERIC, name);  // where installed
  temporary_directory here;
  const std::string path = here.file("m");
  metrics_file m(path);
  for (const double x : {0.1, 1.0 / 3, 1e-300, 6.02214076e23, -2.5}) {
    m.on(fc::epoch_event{.iteration = 1, .loss = x});
    const std::string text = content(path);
    std::setlocale(LC_NUMERIC, "C");
    CHECK(std::strtod(text.c_str() + text.rfind("\"loss\":") + 7, nullptr) == x);
  }
  m.on(fc::epoch_event{.iteration = 1, .loss = NAN, .images_per_second = INFINITY});
  CHECK(content(path).find("\"loss\":null,\"images_per_second\":null") != std::string::npos);
}

TEST_CASE("a file is replaced or continued as told") {
  temporary_directory here;
  const std::string path = here.file("m");
  for (const auto mode :
       {fc::observe::metrics_mode::replace, fc::observe::metrics_mode::append, fc::observe::metrics_mode::append})
    metrics_file(path, 0, mode).on(fc::step_event{});
  const std::string three = content(path);
  CHECK(std::count(three.begin(), three.end(), '\n') == 3);
  metrics_file(path).on(fc::step_event{});
  CHECK(content(path).size() * 3 == three.size());
}

TEST_CASE("other ranks touch no file") {
  temporary_directory here;
  const std::string path = here.file("m");
  metrics_file m(path, 1);
  m.on(fc::step_event{});
  m.on(fc::epoch_event{});
  m.on(fc::evaluation_event{});
  m.flush();
  CHECK(content(path) == "missing");
}

TEST_CASE("a full disk and a folder that is not there are errors with the path") {
  const auto at_epoch = [] {
    metrics_file m("/dev/full");
    m.on(fc::step_event{});
    m.on(fc::epoch_event{});
  };
  try {
    at_epoch();
    FAIL("no error");
  } catch (const fc::file_error& e) {
    CHECK(e.path == "/dev/full");
    CHECK(std::string(e.what()).find("cannot be written: No space left") != std::string::npos);
  }
  const auto at_some_step = [] {
    metrics_file m("/dev/full");
    for (int i = 0; i < 1000; ++i) m.on(fc::step_event{});
  };
  CHECK_THROWS_AS(at_some_step(), fc::file_error);
  CHECK_THROWS_WITH_AS(metrics_file("/no/such/folder/m"),
                       "/no/such/folder/m (byte 0): cannot be opened for writing: No such file or directory",
                       fc::file_error);
}
