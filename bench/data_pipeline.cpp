// Images a second out of JPEG files and an LMDB database of them, through reader, transform and prefetcher, beside a
// loop that does nothing but decode.
#include <dirent.h>
#include <getopt.h>
#include <lmdb.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <firecaffe/core/random.hpp>
#include <firecaffe/data/folder.hpp>
#include <firecaffe/data/lmdb.hpp>
#include <firecaffe/data/prefetch.hpp>
#include <firecaffe/data/resize.hpp>
#include <firecaffe/data/transform.hpp>
#include <protozero/pbf_writer.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace fc = firecaffe;
using bytes = std::vector<std::uint8_t>;

constexpr const char* usage =
    "usage: data_pipeline [--images N] [--threads N] [--batch N] [--rounds N]\n"
    "Makes N JPEG images of 256 x 256 to 375 x 500 pixels in a folder for temporary files, and times:\n"
    "  whole        a loop that decodes them whole, from memory\n"
    "  part         a loop that decodes the 224 x 224 pixels that a random crop wants, from memory\n"
    "  folder       files: random crop of 224, mirror, mean, through the prefetcher\n"
    "  lmdb         the same from a database\n"
    "  resized      files: random area resized to 224, mirror, mean, through the prefetcher\n"
    "all on the same number of threads, one after the other, over and over. One JSON object a line on standard "
    "output,\n"
    "a table on standard error.\n"
    "  --images N   (500)\n"
    "  --threads N  (the cores there are)\n"
    "  --batch N    (32)\n"
    "  --rounds N   the median and the spread are over these (7)\n";

constexpr int passes = 4;  // over the images in one timing: buffers are allocated once in a training run

struct arguments {
  int images = 500, threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency())), batch = 32,
      rounds = 7;
};

arguments parse(int argc, char** argv) {
  arguments a;
  const option options[] = {{"images", 1, nullptr, 'i'}, {"threads", 1, nullptr, 't'}, {"batch", 1, nullptr, 'b'},
                            {"rounds", 1, nullptr, 'r'}, {"help", 0, nullptr, 'h'},    {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "h", options, nullptr)) != -1;) {
    int* to = c == 'i' ? &a.images : c == 't' ? &a.threads : c == 'b' ? &a.batch : c == 'r' ? &a.rounds : nullptr;
    if (!to || (*to = std::atoi(optarg)) < 1) {
      std::fputs(usage, c == 'h' ? stdout : stderr);
      std::exit(c == 'h' ? 0 : 2);
    }
  }
  return a;
}

// Noise on a grid of 16 pixels, interpolated, and a little on each pixel.
bytes make_jpeg(std::uint32_t number) {
  const fc::random_key key{.seed = 1, .sample = number, .use = fc::random_use::test};
  const auto pick = [&](std::uint64_t i, int n) { return static_cast<int>(fc::random_word(key, i) % unsigned(n)); };
  const int height = 256 + pick(0, 120), width = 256 + pick(1, 245), columns = width / 16 + 2;
  std::vector<int> grid(static_cast<std::size_t>((height / 16 + 2) * columns * 3));
  for (std::size_t i = 0; i < grid.size(); ++i) grid[i] = 30 + pick(10 + i, 196);
  bytes pixels(static_cast<std::size_t>(height * width * 3));
  std::uint32_t state = number;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) {
        const auto at = [&](int dy, int dx) {
          return grid[static_cast<std::size_t>(((y / 16 + dy) * columns + x / 16 + dx) * 3 + c)];
        };
        const int down = y % 16, right = x % 16;
        const int v = ((at(0, 0) * (16 - right) + at(0, 1) * right) * (16 - down) +
                       (at(1, 0) * (16 - right) + at(1, 1) * right) * down) /
                      256;
        state = state * 1664525 + 1013904223;
        pixels[static_cast<std::size_t>((y * width + x) * 3 + c)] =
            static_cast<std::uint8_t>(std::clamp(v + static_cast<int>(state >> 28) - 8, 0, 255));
      }
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 90, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = pixels.data() + std::size_t{info.next_scanline} * static_cast<std::size_t>(width) * 3;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  bytes out(memory, memory + size);
  jpeg_destroy_compress(&info);
  std::free(memory);
  return out;
}

void must(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("data_pipeline: cannot ") + what);
}

// What is measured lies here, and goes in the end.
struct workplace {
  std::string path;
  std::vector<std::string> files, folders;
  workplace() {
    const char* parent = std::getenv("TMPDIR");
    path = std::string(parent ? parent : "/tmp") + "/firecaffe-bench-XXXXXX";
    must(::mkdtemp(path.data()) != nullptr, "make a folder for temporary files");
    folders.push_back(path);
  }
  workplace(const workplace&) = delete;
  workplace& operator=(const workplace&) = delete;
  ~workplace() {
    for (const std::string& f : files) ::unlink(f.c_str());
    for (auto f = folders.rbegin(); f != folders.rend(); ++f) ::rmdir(f->c_str());
  }
  std::string folder(const std::string& name) {
    folders.push_back(path + "/" + name);
    must(::mkdir(folders.back().c_str(), 0700) == 0, "make a folder");
    return folders.back();
  }
};

void write_set(workplace& here, const std::vector<bytes>& images) {
  here.folder("images");
  for (const char* name : {"images/0", "images/1"}) here.folder(name);
  const std::string base = here.folder("lmdb");
  here.files = {base + "/data.mdb", base + "/lock.mdb"};
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  must(mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, std::size_t{4} << 30) == 0 &&
           mdb_env_open(env, base.c_str(), MDB_NOSYNC, 0600) == 0 && mdb_txn_begin(env, nullptr, 0, &txn) == 0 &&
           mdb_dbi_open(txn, nullptr, 0, &dbi) == 0,
       "make a database");
  for (std::size_t i = 0; i < images.size(); ++i) {
    char name[32];
    std::snprintf(name, sizeof name, "%08zu", i);
    here.files.push_back(here.path + "/images/" + (i % 2 ? "1/" : "0/") + name + ".jpg");
    std::FILE* f = std::fopen(here.files.back().c_str(), "wb");
    must(f && std::fwrite(images[i].data(), 1, images[i].size(), f) == images[i].size() && std::fclose(f) == 0,
         "write an image");
    std::string message;
    protozero::pbf_writer datum(message);
    datum.add_bytes(4, reinterpret_cast<const char*>(images[i].data()), images[i].size());
    datum.add_int32(5, static_cast<int>(i % 2));
    datum.add_bool(7, true);
    MDB_val key{std::strlen(name), name}, value{message.size(), message.data()};
    must(mdb_put(txn, dbi, &key, &value, 0) == 0, "write a record");
  }
  must(mdb_txn_commit(txn) == 0, "write the database");
  mdb_env_close(env);
}

// The images on all threads, each with a decoder and nothing else. Returns seconds.
double bare(const std::vector<bytes>& images, int threads, bool part) {
  const auto before = std::chrono::steady_clock::now();
  std::atomic<std::size_t> next = 0;
  std::vector<std::jthread> workers;
  for (int t = 0; t < threads; ++t)
    workers.emplace_back([&] {
      fc::data::jpeg_decoder decoder;
      bytes pixels;
      for (std::size_t i; (i = next++) < passes * images.size();) {
        i %= images.size();
        const fc::random_key key = fc::data::transform_key(1, 0, i, fc::data::transform_use::crop_and_mirror);
        decoder.open(images[i].data(), images[i].size(), "", {});
        const int h = decoder.height(), w = decoder.width();
        fc::data::image_part wanted{0, 0, h, w, 0, 0};
        if (part)
          wanted = {fc::data::random_below(key, 1, h - 223), fc::data::random_below(key, 2, w - 223), 224, 224, 0, 0};
        decoder.decode(wanted, "", {}, pixels);
      }
    });
  workers.clear();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

template <class Dataset>
double pipeline(const Dataset& d, const arguments& a) {
  const auto before = std::chrono::steady_clock::now();
  const fc::data::sampler order(d.size(), {.batch = a.batch, .seed = 1});
  const std::int64_t steps = order.steps_per_epoch();
  fc::data::prefetcher<Dataset> batches(d, order, 0, 1, {.threads = a.threads, .batches = passes * steps});
  for (std::int64_t i = 0; i < passes * steps; ++i) batches.next();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

double processor_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

double median(std::vector<double>& of) {
  std::sort(of.begin(), of.end());
  return of[of.size() / 2];
}

int main(int argc, char** argv) try {
  const arguments a = parse(argc, argv);
  std::vector<bytes> images;
  double total = 0;
  for (int i = 0; i < a.images; ++i) {
    images.push_back(make_jpeg(static_cast<std::uint32_t>(i)));
    total += static_cast<double>(images.back().size());
  }
  workplace here;
  write_set(here, images);
  const fc::data::transform_options o{
      .crop_height = 224, .crop_width = 224, .mirror = true, .mean_values = {124, 117, 104}, .seed = 1};
  const fc::data::transformed files(fc::data::folder(here.path + "/images"), o);
  const fc::data::transformed database(fc::data::lmdb(here.path + "/lmdb"), o);
  const fc::data::transformed resized(fc::data::resized(fc::data::folder(here.path + "/images"), {.seed = 1}), o);

  const char* names[] = {"whole", "part", "folder", "lmdb", "resized"};
  std::vector<double> rates[5], processor[5];
  for (int round = -1; round < a.rounds; ++round)  // the first one warms up
    for (int k = 0; k < 5; ++k) {
      const double before = processor_seconds();
      const double seconds = k == 0   ? bare(images, a.threads, false)
                             : k == 1 ? bare(images, a.threads, true)
                             : k == 2 ? pipeline(files, a)
                             : k == 3 ? pipeline(database, a)
                                      : pipeline(resized, a);
      if (round < 0) continue;
      rates[k].push_back(passes * a.images / seconds);
      processor[k].push_back(1000 * (processor_seconds() - before) / (passes * a.images));
    }
  std::fprintf(stderr, "%d images, %.0f KB each, %d threads, batches of %d\n%-10s %10s %10s %10s %8s %8s %10s\n",
               a.images, total / a.images / 1000, a.threads, a.batch, "", "images/s", "least", "most", "/whole",
               "/part", "CPU ms");
  const double whole = median(rates[0]), part = median(rates[1]);
  for (int k = 0; k < 5; ++k) {
    const double rate = median(rates[k]), milliseconds = median(processor[k]);
    std::printf(
        "{\"what\":\"%s\",\"images_per_s\":%.1f,\"least\":%.1f,\"most\":%.1f,\"cpu_ms_per_image\":%.3f,"
        "\"images\":%d,\"threads\":%d,\"batch\":%d,\"rounds\":%d}\n",
        names[k], rate, rates[k].front(), rates[k].back(), milliseconds, a.images, a.threads, a.batch, a.rounds);
    std::fprintf(stderr, "%-10s %10.1f %10.1f %10.1f %8.2f %8.2f %10.3f\n", names[k], rate, rates[k].front(),
                 rates[k].back(), rate / whole, rate / part, milliseconds);
  }
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
