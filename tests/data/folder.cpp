#include "firecaffe/data/folder.hpp"

#include <doctest/doctest.h>

#include "firecaffe/data/list.hpp"
#include "firecaffe/data/resize.hpp"
#include "firecaffe/data/transform.hpp"
#include "pictures.hpp"
#include "refusal.hpp"
#include "temporary_files.hpp"

namespace fc = firecaffe;
using fc::data::folder;

static_assert(fc::data::image_source<folder> && fc::data::image_source<fc::data::list>);

namespace {

// A directory with directories in it, all removed in the end.
struct tree {
  temporary_directory here;
  std::vector<std::string> folders;
  ~tree() {
    for (const std::string& f : files) ::unlink(f.c_str());
    for (auto f = folders.rbegin(); f != folders.rend(); ++f) ::rmdir(f->c_str());
  }
  std::string make(const std::string& name) {
    folders.push_back(here.path() + "/" + name);
    if (::mkdir(folders.back().c_str(), 0700) != 0) throw std::runtime_error("mkdir " + folders.back());
    return folders.back();
  }
  void write(const std::string& name, const bytes& content = {}) {
    here.write(name, content);
    files.push_back(here.path() + "/" + name);
  }
  void link(const std::string& to, const std::string& name) {
    files.push_back(here.path() + "/" + name);
    if (::symlink(to.c_str(), files.back().c_str()) != 0) throw std::runtime_error("symlink");
  }
  std::vector<std::string> files;
};

}  // namespace

TEST_CASE("classes and images come in the order of their names, as torchvision has them") {
  tree t;
  for (const char* name : {"b", "a", "B", "b/x", "b/x-y", "b/x/deep", "a/empty"}) t.make(name);
  for (const char* name : {"b/2.png", "b/10.JPG", "b/x/1.jpeg", "b/x-y/1.jpg", "b/x/deep/0.Png", "b/notes.txt", "b/jpg",
                           "a/z.jpg", "B/q.jpg", "loose.jpg"})
    t.write(name);
  t.link(t.here.path() + "/b/2.png", "a/link.png");
  t.link(t.here.path() + "/a", "c");
  const folder f(t.here.path());
  CHECK(f.classes() == std::vector<std::string>{"B", "a", "b", "c"});
  std::vector<std::string> names;
  std::vector<int> labels;
  for (std::size_t i = 0; i < f.size(); ++i) {
    names.emplace_back(f.files().name(i));
    labels.push_back(f.files().label(i));
  }
  // sorted(os.walk("b")) has b, b/x, b/x-y, b/x/deep: '-' sorts before '/'
  CHECK(names == std::vector<std::string>{"B/q.jpg", "a/link.png", "a/z.jpg", "b/10.JPG", "b/2.png", "b/x/1.jpeg",
                                          "b/x-y/1.jpg", "b/x/deep/0.Png", "c/link.png", "c/z.jpg"});
  CHECK(labels == std::vector<int>{0, 1, 1, 2, 2, 2, 2, 2, 3, 3});
}

TEST_CASE("JPEG and PNG files are told apart by what is in them, and read with their labels") {
  tree t;
  t.make("cat");
  t.make("dog");
  const picture rgb = random_picture(20, 30, 3, 1), grey = random_picture(25, 20, 1, 2),
                rgba = random_picture(22, 22, 4, 3);
  const bytes jpeg = write_jpeg(rgb);
  t.write("cat/1.jpg", jpeg);
  t.write("cat/2.jpg", write_png(rgba));  // the name is wrong
  t.write("dog/1.png", write_png(grey));
  const std::string text = "dog/1.png 5\n" + t.here.path() + "/cat/1.jpg 6\n";
  t.write("list.txt", bytes(text.begin(), text.end()));
  const picture decoded = read_jpeg(jpeg, JCS_RGB);
  const fc::data::transformed f(folder(t.here.path()), {.crop_height = 20, .crop_width = 20, .training = false});
  std::vector<float> v(1200);
  std::int32_t label = -1;
  f.read(0, v.data(), &label);
  CHECK(label == 0);
  for (int c = 0; c < 3; ++c) CHECK(v[static_cast<std::size_t>(c * 400 + 3 * 20 + 4)] == decoded.at(3, 9, c));
  f.read(1, v.data(), &label);
  CHECK(label == 0);
  for (int c = 0; c < 3; ++c) CHECK(v[static_cast<std::size_t>(c * 400 + 3 * 20 + 4)] == rgba.at(4, 5, c));
  f.read(2, v.data(), &label);
  CHECK(label == 1);
  for (int c = 0; c < 3; ++c) CHECK(v[static_cast<std::size_t>(c * 400 + 3 * 20 + 4)] == grey.at(5, 4, 0));

  const fc::data::list list(t.here.path() + "/list.txt", t.here.path(), {.order = fc::data::channel_order::bgr});
  const fc::data::transformed g(list, {.crop_height = 20, .crop_width = 20, .training = false});
  REQUIRE(g.size() == 2);
  g.read(0, v.data(), &label);
  CHECK(label == 5);
  CHECK(v[64] == grey.at(5, 4, 0));
  g.read(1, v.data(), &label);
  CHECK(label == 6);
  for (int c = 0; c < 3; ++c) CHECK(v[static_cast<std::size_t>(c * 400 + 3 * 20 + 4)] == decoded.at(3, 9, 2 - c));

  const fc::data::transformed small(fc::data::resized(folder(t.here.path()), {.height = 8, .width = 8}),
                                    {.mirror = true});
  CHECK(small.extents() == fc::shape{3, 8, 8});
  for (std::size_t i = 0; i < 3; ++i) small.read(i, 7, v.data(), &label);

  const fc::data::transformed one(folder(t.here.path(), {.channels = 1}), {.crop_height = 20, .crop_width = 20});
  CHECK(one.extents() == fc::shape{1, 20, 20});
  one.read(0, 0, v.data(), &label);
}

TEST_CASE("an image large beyond need is decoded at a fraction of its size, with the same content") {
  tree t;
  t.make("a");
  picture p = random_picture(480, 640, 3, 5, 0);  // ramps: they tell where a pixel is, however they are smoothed
  for (int y = 0; y < 480; ++y)
    for (int x = 0; x < 640; ++x) {
      std::uint8_t* pixel = &p.pixels[static_cast<std::size_t>(y * 640 + x) * 3];
      pixel[0] = static_cast<std::uint8_t>(x * 255 / 639);
      pixel[1] = static_cast<std::uint8_t>(y * 255 / 479);
      pixel[2] = 50;
    }
  t.write("a/1.jpg", write_jpeg(p, {.quality = 95, .across = 1, .down = 1}));
  t.write("a/2.png", write_png(p));
  for (const auto mode :
       {fc::data::resize_mode::stretch, fc::data::resize_mode::centre, fc::data::resize_mode::random_area}) {
    // The same random box for both: two sources of one image each.
    const auto read = [&](const char* name) {
      const std::string text = std::string(name) + " 0\n";
      t.write("one.txt", bytes(text.begin(), text.end()));
      const fc::data::transformed d(
          fc::data::resized(fc::data::list(t.here.path() + "/one.txt", t.here.path() + "/a"),
                            {.mode = mode, .height = 50, .width = 60, .shorter = 70, .least_area = 0.7, .seed = 3}));
      std::vector<float> v(9000);
      std::int32_t label = 0;
      d.read(0, v.data(), &label);
      return v;
    };
    const auto a = read("1.jpg"), b = read("2.png");
    for (std::size_t c = 0; c < 3; ++c) {
      double sum = 0, worst = 0;
      for (std::size_t i = c * 3000; i < (c + 1) * 3000; ++i) {
        sum += a[i] - b[i];
        worst = std::max(worst, double(std::abs(a[i] - b[i])));
      }
      CHECK(std::abs(sum / 3000) < 0.6);  // half a pixel of the reduced image would be 1.6 to 2.1
      CHECK(worst < 2.5);
    }
  }
}

TEST_CASE("what is missing or damaged is refused by its name") {
  tree t;
  CHECK(refusal_of([&] { folder f(t.here.path()); }).says("has no folders in it"));
  CHECK(refusal_of([&] { folder f("/nonexistent"); }).says("No such file"));
  t.make("a");
  t.write("a/n.txt");
  CHECK(refusal_of([&] { folder f(t.here.path()); }).says("/a (byte 0): has no JPEG or PNG images in it"));
  t.link(t.here.path() + "/a", "a/again");
  CHECK(refusal_of([&] { folder f(t.here.path()); }).says("32 folders deep"));
  t.make("b");
  t.write("b/1.jpg");
  t.write("b/2.jpg", {1, 2, 3});
  const bytes file = write_jpeg(random_picture(20, 20, 3, 1));
  t.write("b/3.jpg", bytes(file.begin(), file.end() - 40));
  t.link("/nonexistent", "b/4.jpg");
  const std::string text = "1.jpg 0\n2.jpg 0\n3.jpg 0\n4.jpg 0\n.. 0\n";
  t.write("list", bytes(text.begin(), text.end()));
  const fc::data::list list(t.here.path() + "/list", t.here.path() + "/b");
  fc::data::list::scratch s;
  std::int32_t label = 0;
  const auto read = [&](std::size_t i) {
    return refusal_of([&] { list.image(i, 0, fc::data::whole_image{}, s, &label); });
  };
  CHECK(read(0).says("/b/1.jpg (byte 0): empty: expected an image"));
  CHECK(read(1).says("/b/2.jpg (byte 0): neither a JPEG nor a PNG image"));
  CHECK(read(2).says("/b/3.jpg (byte "));
  CHECK(read(3).says("/b/4.jpg (byte 0): cannot be opened: No such file"));
  CHECK(read(4).says("is not a regular file"));
  CHECK_THROWS_AS(list.image(5, 0, fc::data::whole_image{}, s, &label), fc::usage_error);
  CHECK_THROWS_AS(fc::data::list(t.here.path() + "/list", "", {.channels = 2}), fc::usage_error);
  CHECK(refusal_of([&] { fc::data::list(t.here.path() + "/list", "", {}, 1); }).what.empty());
  CHECK(refusal_of([&] { fc::data::list("/nonexistent"); }).says("No such file"));
}
