// firecaffe::lmdb brings liblmdb, and what decodes its images.
#include <firecaffe/data/lmdb.hpp>

int main() {
  try {
    firecaffe::data::lmdb("/nonexistent");
  } catch (const firecaffe::file_error&) {
    return 0;
  }
  return 1;
}
