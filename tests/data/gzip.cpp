#include "firecaffe/data/gzip.hpp"

#include <doctest/doctest.h>

#include <random>

#include "temporary_files.hpp"

namespace fc = firecaffe;
using fc::data::gzip_reader;

bytes noise(std::size_t n, unsigned seed, unsigned values) {
  std::mt19937 random(seed);
  bytes out(n);
  for (auto& b : out) b = static_cast<std::uint8_t>(random() % values);
  return out;
}

bytes read_all(gzip_reader& reader, std::size_t part) {
  bytes out;
  for (;;) {
    const std::size_t before = out.size();
    out.resize(before + part, 0xAA);
    const std::size_t got = reader.read(out.data() + before, part);
    out.resize(before + got);
    if (got < part) return out;
  }
}

TEST_CASE("plain and gzip files give the same bytes, however they are asked for") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  temporary_directory here;
  for (const std::size_t n : {0u, 1u, 2u, 1000u, 65536u, 65537u, 300000u}) {
    bytes content = noise(n, seed, n % 2 ? 256 : 3);
    if (n > 1) content[0] = 0;  // not gzip's first byte
    const std::string plain = here.write("plain", content), packed = here.write("packed", gzip(content));
    for (const std::size_t part : {7u, 65536u, 400000u}) {
      gzip_reader a(plain), b(packed);
      CHECK(!a.compressed());
      CHECK(b.compressed());
      CHECK(a.most_bytes() == n);
      CHECK(b.most_bytes() >= n);
      CHECK(read_all(a, part) == content);
      CHECK(read_all(b, part) == content);
      std::uint8_t more = 0;
      CHECK(b.read(&more, 1) == 0);  // the end stays the end
    }
  }
}

TEST_CASE("a run of zeros, the best that deflate can do, stays below the bound") {
  const bytes zeros(3'000'000), packed = gzip(zeros);
  temporary_directory here;
  gzip_reader reader(here.write("zeros", packed));
  CHECK(reader.most_bytes() >= zeros.size());
  CHECK(reader.most_bytes() < 2 * zeros.size());
  CHECK(read_all(reader, 1 << 20) == zeros);
}

TEST_CASE("gzip members may follow one another") {
  const bytes a = noise(100, 1, 9), b = noise(70000, 2, 9);
  bytes both = a, packed = gzip(a);
  both.insert(both.end(), b.begin(), b.end());
  for (const bytes& member : {gzip({}), gzip(b)}) packed.insert(packed.end(), member.begin(), member.end());
  temporary_directory here;
  gzip_reader reader(here.write("members", packed));
  CHECK(read_all(reader, 1000) == both);
}

TEST_CASE("a gzip stream cut anywhere, with a wrong check sum, or followed by other bytes is an error") {
  const bytes content = noise(500, 3, 20), packed = gzip(content);
  temporary_directory here;
  for (std::size_t n = 2; n < packed.size(); ++n) {
    CAPTURE(n);
    gzip_reader reader(here.write("cut", bytes(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(n))));
    try {
      read_all(reader, 64);
      FAIL("no error");
    } catch (const fc::file_error& e) {
      CHECK(e.offset == n);
      CHECK(std::string(e.what()).find("truncated") != std::string::npos);
    }
  }
  bytes wrong_sum = packed;
  wrong_sum[wrong_sum.size() - 5] ^= 1;
  gzip_reader sum(here.write("sum", wrong_sum));
  CHECK_THROWS_AS(read_all(sum, 64), fc::file_error);
  bytes wrong_length = packed;
  wrong_length.back() ^= 1;
  gzip_reader length(here.write("length", wrong_length));
  CHECK_THROWS_AS(read_all(length, 64), fc::file_error);
  bytes trailing = packed;
  for (int i = 0; i < 20; ++i) trailing.push_back('x');
  gzip_reader more(here.write("more", trailing));
  CHECK_THROWS_AS(read_all(more, 64), fc::file_error);
}

TEST_CASE("a path may stand for its .gz; what cannot be read is an error") {
  temporary_directory here;
  const bytes content = noise(50, 4, 256);
  here.write("only.gz", gzip(content));
  gzip_reader reader(here.path() + "/only");
  CHECK(reader.path() == here.path() + "/only.gz");
  CHECK(read_all(reader, 64) == content);
  CHECK_THROWS_AS(gzip_reader(here.path() + "/none"), fc::file_error);
  const auto read_directory = [&] {
    gzip_reader directory(here.path());
    read_all(directory, 64);
  };
  CHECK_THROWS_AS(read_directory(), fc::file_error);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  CHECK_THROWS_AS(gzip_reader(::fdopen(ends[0], "rb"), "a pipe"), fc::file_error);
  ::close(ends[1]);
}
