// firecaffe::hdf5 brings HDF5's C library.
#include <firecaffe/data/hdf5.hpp>

int main() {
  try {
    firecaffe::data::hdf5({"/nonexistent"});
  } catch (const firecaffe::file_error&) {
    return 0;
  }
  return 1;
}
