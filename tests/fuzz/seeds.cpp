// Files to begin fuzzing with: seeds DIR writes DIR/<target>/<number> for the targets in this folder that need them.
// clang++ -std=c++20 -Itests -isystem /usr/include/hdf5/serial tests/fuzz/seeds.cpp -o seeds -ljpeg -lpng -lhdf5_serial
#include <hdf5.h>
#include <sys/stat.h>

#include <cstdio>
#include <string>

#include "data/messages.hpp"
#include "data/pictures.hpp"

std::string folder;
int number = 0;

std::string name(const char* target) {
  ::mkdir(folder.c_str(), 0700);
  ::mkdir((folder + "/" + target).c_str(), 0700);
  return folder + "/" + target + "/" + std::to_string(number++);
}

template <class Bytes>
void write(const char* target, const std::string& before, const Bytes& content) {
  std::FILE* f = std::fopen(name(target).c_str(), "wb");
  if (!f) throw std::runtime_error("cannot write to " + folder);
  std::fwrite(before.data(), 1, before.size(), f);
  std::fwrite(content.data(), 1, content.size(), f);
  std::fclose(f);
}

void write_hdf5(bool compressed) {
  const hid_t file = H5Fcreate(name("hdf5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t extents[] = {3, 2, 2, 2};
  const float values[24] = {1, 2, 3};
  for (const int rank : {1, 4}) {
    const hid_t space = H5Screate_simple(rank, extents, nullptr), properties = H5Pcreate(H5P_DATASET_CREATE);
    if (compressed) H5Pset_chunk(properties, rank, extents), H5Pset_deflate(properties, 6);
    const hid_t set =
        H5Dcreate2(file, rank == 1 ? "label" : "data", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(set), H5Pclose(properties), H5Sclose(space);
  }
  H5Fclose(file);
}

int main(int, char** argv) {
  folder = argv[1];
  const std::string part("\x20\x30\x60\x90\x40", 5), whole("\0\0\xff\xff\0", 5);
  for (int c = 1; c <= 4; ++c) {
    const picture p = random_picture(24, 40, c, 1, 60);
    for (const std::string& before : {part, whole}) {
      write("png", before, write_png(p));
      if (c == 2) continue;
      for (const bool progressive : {false, true})
        for (int across = 1; across <= 2; ++across)
          write("jpeg", before,
                write_jpeg(p, {.quality = 50,
                               .across = across,
                               .down = across,
                               .progressive = progressive,
                               .adobe_inks = across == 2,
                               .restart = across}));
    }
  }
  const bytes six{1, 2, 3, 4, 5, 6};
  write("datum", "", write_datum({1, 2, 3, six, 4}));
  write("datum", "", write_datum({0, 0, 0, six, 4, {}, true}));
  write("datum", "", write_datum({1, 2, 2, {}, 4, {1, 2, 3, 4}}));
  write("datum", "", write_datum({1, 2, 2, {}, 4, {1, 2, 3, 4}, false, false}));
  for (const bool old : {false, true})
    for (const bool doubles : {false, true})
      write("mean_file", "", write_mean({1, 1, 2, 2}, {1, 2, 3, 4}, old, doubles, !old));
  write("cifar", std::string(1, '\0'), bytes(2 * 3073));
  write("cifar", "\1", bytes(2 * 3074));
  write("list", "\5", std::string("a b.jpg 3\r\n/c\t4\n\n"));
  write("lmdb_keys", std::string("\0\0\0\0\0\0\0\x0c\x05", 9), std::string("000_a011_b"));
  write_hdf5(false);
  write_hdf5(true);
}
