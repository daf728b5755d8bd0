#include "firecaffe/observe/trace.hpp"

#include <doctest/doctest.h>

#include <clocale>
#include <cmath>
#include <map>
#include <random>
#include <utility>

#include "../data/temporary_files.hpp"
#include "firecaffe/comm/alone.hpp"
#include "firecaffe/comm/communicator.hpp"
#include "firecaffe/comm/local.hpp"
#include "json_check.hpp"

using namespace firecaffe;
using namespace std::chrono_literals;
using observe::write_trace;
using test::json;

namespace {

std::string content(const std::string& path) {
  std::string text;
  std::FILE* in = std::fopen(path.c_str(), "rb");
  if (!in) return "missing";
  for (int c; (c = std::fgetc(in)) != EOF;) text += static_cast<char>(c);
  std::fclose(in);
  return text;
}

time_span::time_point at(std::chrono::nanoseconds t) { return time_span::time_point{} + t; }

// The events of a file by phase, "X" or "M".
std::vector<json> events(const json& file, const std::string& phase) {
  std::vector<json> result;
  for (const json& e : file["traceEvents"].items)
    if (e["ph"].text == phase) result.push_back(e);
  return result;
}

// The names of the tracks, by (pid, tid).
std::map<std::pair<double, double>, std::string> tracks(const json& file) {
  std::map<std::pair<double, double>, std::string> result;
  for (const json& e : events(file, "M"))
    if (e["name"].text == "thread_name")
      CHECK(result.emplace(std::pair{e["pid"].number, e["tid"].number}, e["args"]["name"].text).second);
  return result;
}

}  // namespace

TEST_CASE("spans become complete events on the tracks of their rank") {
  timeline log(20);
  log.record(span_kind::load, 0, -1, at(1us), at(2us));
  log.record(span_kind::forward, 0, -1, at(2us), at(3500ns));
  log.record(span_kind::backward, 1, -1, at(4us), at(5us));
  log.record(span_kind::backward, 9, -1, at(5us), at(5us));
  log.record(span_kind::update, 3, -1, at(6us), at(7us));
  log.record(span_kind::send, 3, 2, at(1234567891234ns), at(1234567891235ns));
  log.record(span_kind::receive, 4, 5, at(8us), at(9us));
  log.record(span_kind::wait, 4, -1, at(8us), at(10us));
  log.record(span_kind::receive, 5, -1, at(11us), at(12us));
  const std::vector<std::string> ops{"conv 5x5", "dense"};
  temporary_directory here;
  const std::string path = here.file("trace.json");
  write_trace(path, log, {.rank = 6, .ops = ops});

  const json file = json::parse(content(path));
  CHECK(file["displayTimeUnit"].text == "ms");
  struct row {
    const char *track, *category, *name;
    double begin, length;
    int id, peer;
  };
  const row expected[] = {{"compute", "load", "load", 1, 1, 0, -1},
                          {"compute", "forward", "forward conv 5x5", 2, 1.5, 0, -1},
                          {"compute", "backward", "backward dense", 4, 1, 1, -1},
                          {"compute", "backward", "backward op 9", 5, 0, 9, -1},
                          {"update", "update", "update bucket 3", 6, 1, 3, -1},
                          {"receive", "receive", "bucket 4 from rank 5", 8, 1, 4, 5},
                          {"compute", "wait", "wait for bucket 4", 8, 2, 4, -1},
                          {"receive", "receive", "bucket 5 from all ranks", 11, 1, 5, -1},
                          {"send", "send", "bucket 3 to rank 2", 1234567891.234, 0.001, 3, 2}};
  const std::vector<json> found = events(file, "X");
  const auto names = tracks(file);
  REQUIRE(found.size() == std::size(expected));
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    const json& e = found[i];
    const row& x = expected[i];
    CHECK(e["pid"].number == 6);
    CHECK(names.at({6, e["tid"].number}) == x.track);
    CHECK(e["cat"].text == x.category);
    CHECK(e["name"].text == x.name);
    CHECK(e["ts"].number == x.begin);
    CHECK(e["dur"].number == x.length);
    CHECK(e["args"]["id"].number == x.id);
    CHECK(e["args"].has("peer") == (x.peer >= 0));
    if (x.peer >= 0) CHECK(e["args"]["peer"].number == x.peer);
  }
  CHECK(events(file, "M")[0]["name"].text == "process_name");
  CHECK(events(file, "M")[0]["args"]["name"].text == "rank 6");
  CHECK(content(path).find("did not fit") == std::string::npos);
}

TEST_CASE("random spans never overlap on a track, and none is lost") {
  const unsigned seed = std::random_device{}() % 1000000;
  CAPTURE(seed);
  std::mt19937 random{seed};
  timeline log(3000);
  double total = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto begin = std::chrono::nanoseconds(random() % 1000000), length = std::chrono::nanoseconds(random() % 3000);
    log.record(static_cast<span_kind>(random() % 7), i, static_cast<int>(random() % 4), at(begin), at(begin + length));
    total += static_cast<double>(length.count());
  }
  temporary_directory here;
  const std::string path = here.file("t");
  write_trace(path, log);
  const json file = json::parse(content(path));
  const auto names = tracks(file);
  std::map<double, double> end;
  std::vector<bool> seen(3000);
  for (const json& e : events(file, "X")) {
    const double tid = e["tid"].number, begin = std::round(1000 * e["ts"].number),
                 length = std::round(1000 * e["dur"].number);
    REQUIRE(begin >= end[tid]);
    end[tid] = begin + length;
    total -= length;
    seen[static_cast<std::size_t>(e["args"]["id"].number)] = true;
    const std::string kind = e["cat"].text;
    REQUIRE(names.at({0, tid}).find(kind == "send" || kind == "receive" || kind == "update" ? kind : "compute") == 0);
  }
  CHECK(total == 0);
  CHECK(std::count(seen.begin(), seen.end(), true) == 3000);
  CHECK(std::count_if(names.begin(), names.end(), [](auto& n) { return n.second == "send 2"; }) == 1);
}

TEST_CASE("a clock's offset, times before zero, spans that run backwards; any locale") {
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8"}) std::setlocale(LC_NUMERIC, name);  // where installed
  timeline log(5);
  log.record(span_kind::load, 0, -1, at(1us), at(2us));
  log.record(span_kind::load, 1, -1, at(3us), at(2us));
  temporary_directory here;
  const std::string path = here.file("t");
  write_trace(path, log, {.offset = -1005ns});
  std::setlocale(LC_NUMERIC, "C");
  const std::vector<json> found = events(json::parse(content(path)), "X");
  CHECK(found[0]["ts"].text == "-0.005");
  CHECK(found[0]["dur"].text == "1.000");
  CHECK(found[1]["ts"].text == "1.995");
  CHECK(found[1]["dur"].text == "0.000");
}

TEST_CASE("whatever an op is called, the file is JSON") {
  std::vector<std::string> ops{"a \"b\"\\\n\t\x01",
                               "Gr\xc3\xbc\xc3\x9f"
                               "e \xe2\x82\xac \xf0\x9f\x98\x80",
                               "\xff",
                               "\xc3",
                               "\xe2\x82",
                               "\xc0\x80",
                               "\xed\xa0\x80",
                               "\xf4\x90\x80\x80",
                               "\x80",
                               "",
                               std::string("a\0b", 3),
                               "</script>"};
  const std::size_t chosen = ops.size();
  const unsigned seed = std::random_device{}() % 1000000;
  CAPTURE(seed);
  std::mt19937 random{seed};
  for (int i = 0; i < 300; ++i) {
    std::string any(random() % 20, 'x');
    for (char& c : any) c = static_cast<char>(random() % 4 ? 0x80 + random() % 0x80 : random() % 0x80);
    ops.push_back(any);
  }
  timeline log(ops.size());
  for (int i = 0; i < static_cast<int>(ops.size()); ++i)
    log.record(span_kind::forward, i, -1, at(i * 1us), at(i * 1us));
  temporary_directory here;
  const std::string path = here.file("t");
  write_trace(path, log, {.ops = ops});
  const std::vector<json> found = events(json::parse(content(path)), "X");
  REQUIRE(found.size() == ops.size());
  const std::string bad = "<fffd>";
  const std::string expected[] = {
      ops[0], ops[1], bad,     bad,    bad + bad, bad + bad, bad + bad + bad, bad + bad + bad + bad,
      bad,    "",     ops[10], ops[11]};
  REQUIRE(std::size(expected) == chosen);
  for (std::size_t i = 0; i < chosen; ++i) CHECK(found[i]["name"].text == "forward " + expected[i]);
}

TEST_CASE("what did not fit is told; no spans and no ranks are files too") {
  temporary_directory here;
  const std::string path = here.file("t");
  timeline small(1);
  for (int i = 0; i < 5; ++i) small.record(span_kind::load, 0, -1, {}, {});
  write_trace(path, small);
  CHECK(content(path).find("\"4 spans did not fit the timeline\"") != std::string::npos);
  json::parse(content(path));
  write_trace(path, {&small, &small});  // two timelines of one rank
  CHECK(content(path).find("\"8 spans did not fit the timeline\"") != std::string::npos);
  const json both = json::parse(content(path));
  REQUIRE(events(both, "X").size() == 2);
  CHECK(events(both, "X")[0]["pid"].number == events(both, "X")[1]["pid"].number);
  write_trace(path, timeline(0));
  CHECK(events(json::parse(content(path)), "X").empty());
  write_trace(path, std::vector<std::string>{});
  CHECK(json::parse(content(path))["traceEvents"].items.empty());
  write_trace(path, std::vector<std::string>{"", observe::trace_text({&small}, {}).text(), ""});
  CHECK(events(json::parse(content(path)), "X").size() == 1);
  write_trace("", small);  // no file
}

TEST_CASE("all ranks in one file") {
  temporary_directory here;
  const std::string path = here.file("t"), other = here.file("other");
  local::run(3, [&](local::transport wire) {
    communicator<tree_schedule, local::transport> all{wire, {.timeout = 20s}};
    const int spans = wire.rank() == 1 ? 3000 : wire.rank();  // more than one piece; none
    timeline log(3000);
    for (int i = 0; i < spans; ++i) log.record(span_kind::forward, i, -1, at(i * 1us), at(i * 1us + 10ns));
    const std::vector<std::string> ops{"\xe2\x82\xac of " + std::to_string(wire.rank())};
    write_trace(all, wire.rank() == 0 ? path : other, log, {.ops = ops, .offset = wire.rank() * 1s});
  });
  CHECK(content(other) == "missing");
  const json file = json::parse(content(path));
  std::map<int, int> count;
  for (const json& e : events(file, "X")) {
    const int rank = static_cast<int>(e["pid"].number), i = count[rank]++;
    REQUIRE(e["ts"].number == i + 1e6 * rank);
    REQUIRE(e["name"].text ==
            (i > 0 ? "forward op " + std::to_string(i) : "forward \xe2\x82\xac of " + std::to_string(rank)));
  }
  CHECK(count == std::map<int, int>{{1, 3000}, {2, 2}});
  CHECK(content(path).find("rank 0") != std::string::npos);

  alone self;
  timeline log(1);
  log.record(span_kind::load, 0, -1, {}, {});
  write_trace(self, path, log);
  CHECK(events(json::parse(content(path)), "X").size() == 1);
}

TEST_CASE("a full disk and a folder that is not there are errors with the path") {
  timeline log(10000);
  for (const int spans : {0, 10000}) {
    for (int i = 0; i < spans; ++i) log.record(span_kind::load, i, -1, {}, {});
    try {
      write_trace("/dev/full", log);
      FAIL("no error");
    } catch (const file_error& e) {
      CHECK(e.path == "/dev/full");
      CHECK(std::string(e.what()).find("cannot be written: No space left") != std::string::npos);
    }
  }
  CHECK_THROWS_WITH_AS(write_trace("/no/such/folder/t", log),
                       "/no/such/folder/t (byte 0): cannot be opened for writing: No such file or directory",
                       file_error);
}

TEST_CASE("the check of these tests refuses what is no JSON") {
  for (const char* text : {"", "{", "[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "[01]", "[1.]", "[.5]", "[nan]",
                           "\"\n\"", "\"\\x\"", "\"\xff\"", "[1] 2", "{a:1}", "\"\\u12g4\"", "\"a"})
    CHECK_THROWS(json::parse(text));
  CHECK(json::parse(" {\"a\" : [1, -2.5e-1, \"x\\n\", true, null, {}, []]} ")["a"].items[1].number == -0.25);
}
