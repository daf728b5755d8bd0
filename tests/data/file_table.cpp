#include "firecaffe/data/file_table.hpp"

#include <doctest/doctest.h>

#include "refusal.hpp"
#include "temporary_files.hpp"

namespace fc = firecaffe;
using fc::data::parse_list;

TEST_CASE("a list has a path and a label on each line") {
  const auto t = parse_list("list", "a.jpg 3\r\nfolder/b c.png\t-7\n\n  \n/x y  2147483647  \nz 0");
  REQUIRE(t.size() == 4);
  CHECK(t.name(0) == "a.jpg");
  CHECK(t.label(0) == 3);
  CHECK(t.name(1) == "folder/b c.png");
  CHECK(t.label(1) == -7);
  CHECK(t.name(2) == "/x y");
  CHECK(t.label(2) == 2147483647);
  CHECK(t.name(3) == "z");
  CHECK(t.label(3) == 0);
}

TEST_CASE("anything else is refused, with the byte where the line or the label begins") {
  const auto r = [](std::string_view text, int classes = 0) {
    return refusal_of([&] { parse_list("list", text, classes); });
  };
  CHECK(r("a 1\nb\n").offset == 4);
  CHECK(r("a 1\nb\n").what == "list (byte 4): expected a path, a space and a label");
  CHECK(r("a 1\n 5\n").offset == 4);
  CHECK(r("a 1\nbc 5x\n").what == "list (byte 7): expected a label, found '5x'");
  CHECK(r("a 2147483648").offset == 2);
  CHECK(r("a 1.5").offset == 2);
  CHECK(r("a 3", 4).what.empty());
  CHECK(r("a 4", 4).what == "list (byte 2): label 4, expected in [0, 4)");
  CHECK(r("a -1", 4).offset == 2);
  CHECK(r(std::string_view("a 1\nb\0 2\n", 9)).offset == 5);
  CHECK(r("").what == "list (byte 0): no lines: expected a path and a label on each");
  CHECK(r("\n \n").offset == 3);
  CHECK(r(std::string(4097, 'x') + " 1").says("4096"));
}

TEST_CASE("a file is read whole, into memory that stays") {
  temporary_directory here;
  const std::string path = here.write("f", {1, 2, 3});
  bytes memory;
  CHECK(fc::data::read_whole(path, 3, memory) == 3);
  CHECK(memory == bytes{1, 2, 3});
  memory.assign(10, 9);
  const auto* before = memory.data();
  CHECK(fc::data::read_whole(path, 3, memory) == 3);
  CHECK(memory.data() == before);
  CHECK(memory[2] == 3);
  CHECK(memory[3] == 9);
  CHECK(refusal_of([&] { fc::data::read_whole(path, 2, memory); }).says("has 3 bytes, more than 2"));
  CHECK(refusal_of([&] { fc::data::read_whole(here.path(), 2, memory); }).says("regular"));
  REQUIRE(::mkfifo(here.file("pipe").c_str(), 0600) == 0);
  CHECK(refusal_of([&] { fc::data::read_whole(here.path() + "/pipe", 2, memory); }).says("regular"));
  CHECK(refusal_of([&] { fc::data::read_whole("/nonexistent", 2, memory); }).says("No such file"));
  CHECK(fc::data::read_whole(here.write("e", {}), 2, memory) == 0);
}

TEST_CASE("a list of files") {
  temporary_directory here;
  const std::string text = "one two.h5\r\n\n/three.h5";
  CHECK(fc::data::read_file_list(here.write("l", bytes(text.begin(), text.end()))) ==
        std::vector<std::string>{"one two.h5", "/three.h5"});
  CHECK(refusal_of([&] { fc::data::read_file_list(here.write("e", {'\n'})); }).offset == 1);
}
