#include "worker/read_images.hpp"

#include <gtest/gtest.h>

#include "sweeps/errors.hpp"
#include "tests/worker/small_data.hpp"

namespace calsweep::worker {
namespace {

namespace fs = std::filesystem;
using testing::Bytes;
using testing::idx_header;
using testing::idx_images;
using testing::idx_labels;
using testing::operator+;

/// Two images of 2 x 3 with labels 4 and 9, in whatever form a test wants to break.
struct SmallIdx {
  testing::TemporaryFolder folder;
  DatasetDescription set{};
  Bytes pixels{0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255};

  SmallIdx() {
    set.name = "small";
    set.format = DataFormat::Idx;
    set.channels = 1;
    set.height = 2;
    set.width = 3;
    set.n_classes = 10;
    set.test = {{"images"}, "labels"};
    write("images", idx_images(2, 2, 3, pixels));
    write("labels", idx_labels({4, 9}));
  }
  void write(const std::string& name, const Bytes& bytes) {
    testing::write_bytes(folder.path() / name, bytes);
  }
  ImageSet read() { return read_split(set, folder.path(), Split::Test); }
  /// The message of the exception that reading throws; empty if it throws none.
  std::string complaint() {
    try {
      read();
    } catch (const CalsweepError& error) {
      return error.what();
    }
    return "";
  }
};

bool says(const std::string& message, const std::string& what) {
  return message.find(what) != std::string::npos;
}

TEST(ReadImagesTest, reads_plain_idx) {
  SmallIdx data;
  const ImageSet images = data.read();
  EXPECT_EQ(images.count(), 2);
  EXPECT_EQ(images.pixels, data.pixels);
  EXPECT_EQ(images.labels, (std::vector<std::int32_t>{4, 9}));
}

TEST(ReadImagesTest, reads_gzipped_idx) {
  SmallIdx data;
  fs::remove(data.folder.path() / "images");
  testing::write_gzip(data.folder.path() / "images.gz", idx_images(2, 2, 3, data.pixels));
  EXPECT_EQ(data.read().pixels, data.pixels);
}

TEST(ReadImagesTest, refuses_a_wrong_magic_number) {
  SmallIdx data;
  data.write("images", idx_labels({1, 2, 3}));
  EXPECT_TRUE(says(data.complaint(), "is no IDX file of images")) << data.complaint();
}

TEST(ReadImagesTest, refuses_images_of_another_size) {
  SmallIdx data;
  data.write("images", idx_images(2, 3, 2, data.pixels));
  EXPECT_TRUE(says(data.complaint(), "3 x 2 pixels, expected 2 x 3")) << data.complaint();
}

TEST(ReadImagesTest, refuses_a_file_cut_short_and_names_it) {
  SmallIdx data;
  Bytes bytes = idx_images(2, 2, 3, data.pixels);
  bytes.pop_back();
  data.write("images", bytes);
  EXPECT_TRUE(says(data.complaint(), "is cut short"));
  EXPECT_TRUE(says(data.complaint(), (data.folder.path() / "images").string()));
}

TEST(ReadImagesTest, refuses_a_header_that_promises_more_than_memory_without_reserving_it) {
  SmallIdx data;
  data.write("images", idx_images(0xFFFFFFFF, 2, 3, data.pixels));
  EXPECT_TRUE(says(data.complaint(), "is cut short")) << data.complaint();
}

TEST(ReadImagesTest, refuses_bytes_behind_the_end) {
  SmallIdx data;
  data.write("images", idx_images(1, 2, 3, data.pixels));
  EXPECT_TRUE(says(data.complaint(), "longer than its header says")) << data.complaint();
}

TEST(ReadImagesTest, refuses_an_empty_file_and_one_with_half_a_header) {
  SmallIdx data;
  data.write("images", {});
  EXPECT_TRUE(says(data.complaint(), "is cut short")) << data.complaint();
  data.write("images", idx_header({0x803, 2}));
  EXPECT_TRUE(says(data.complaint(), "is cut short")) << data.complaint();
}

TEST(ReadImagesTest, refuses_a_damaged_gzip_stream) {
  SmallIdx data;
  const auto file = data.folder.path() / "images.gz";
  fs::remove(data.folder.path() / "images");
  testing::write_gzip(file, idx_images(2, 2, 3, data.pixels));
  Bytes bytes = testing::read_bytes(file);
  Bytes cut(bytes.begin(), bytes.end() - 6);
  testing::write_bytes(file, cut);
  EXPECT_TRUE(says(data.complaint(), "is damaged or cut short")) << data.complaint();
  bytes[bytes.size() - 6] ^= 0x55U;  // inside the checksum
  testing::write_bytes(file, bytes);
  EXPECT_TRUE(says(data.complaint(), "is damaged or cut short")) << data.complaint();
}

TEST(ReadImagesTest, refuses_labels_beyond_the_classes) {
  SmallIdx data;
  data.write("labels", idx_labels({4, 10}));
  EXPECT_TRUE(says(data.complaint(), "image 1 the label 10")) << data.complaint();
}

TEST(ReadImagesTest, refuses_another_number_of_labels_than_images) {
  SmallIdx data;
  data.write("labels", idx_labels({4, 9, 1}));
  EXPECT_TRUE(says(data.complaint(), "3 labels for 2 images")) << data.complaint();
}

TEST(ReadImagesTest, refuses_a_missing_file_and_an_empty_set) {
  SmallIdx data;
  fs::remove(data.folder.path() / "labels");
  EXPECT_THROW(data.read(), IoError);
  data.write("images", idx_images(0, 2, 3, {}));
  data.write("labels", idx_labels({}));
  EXPECT_TRUE(says(data.complaint(), "no images in its test split")) << data.complaint();
}

DatasetDescription records(std::int64_t label_bytes, std::int64_t n_classes) {
  DatasetDescription set{};
  set.name = "records";
  set.format = DataFormat::CifarBinary;
  set.channels = 3;
  set.height = set.width = 2;
  set.label_bytes = label_bytes;
  set.n_classes = n_classes;
  set.test = {{"a.bin", "b.bin"}, ""};
  return set;
}

Bytes record(Bytes labels, std::uint8_t pixel) { return labels + Bytes(12, pixel); }

TEST(ReadImagesTest, reads_record_files_in_order) {
  const testing::TemporaryFolder folder;
  testing::write_bytes(folder.path() / "a.bin", record({3}, 30) + record({1}, 10));
  testing::write_bytes(folder.path() / "b.bin", record({2}, 20));
  const ImageSet images = read_split(records(1, 4), folder.path(), Split::Test);
  EXPECT_EQ(images.labels, (std::vector<std::int32_t>{3, 1, 2}));
  EXPECT_EQ(images.pixels, Bytes(12, 30) + Bytes(12, 10) + Bytes(12, 20));
}

TEST(ReadImagesTest, takes_the_last_label_byte_and_none_for_sets_without_classes) {
  const testing::TemporaryFolder folder;
  testing::write_bytes(folder.path() / "a.bin", record({9, 3}, 30));
  testing::write_bytes(folder.path() / "b.bin", record({9, 2}, 20));
  EXPECT_EQ(read_split(records(2, 4), folder.path(), Split::Test).labels,
            (std::vector<std::int32_t>{3, 2}));
  EXPECT_TRUE(read_split(records(2, 0), folder.path(), Split::Test).labels.empty());
}

TEST(ReadImagesTest, refuses_half_a_record_and_a_label_beyond_the_classes) {
  const testing::TemporaryFolder folder;
  testing::write_bytes(folder.path() / "a.bin", record({3}, 30) + Bytes(5, 1));
  testing::write_bytes(folder.path() / "b.bin", record({2}, 20));
  EXPECT_THROW(read_split(records(1, 4), folder.path(), Split::Test), FormatError);
  testing::write_bytes(folder.path() / "a.bin", record({4}, 30));
  EXPECT_THROW(read_split(records(1, 4), folder.path(), Split::Test), FormatError);
}

}  // namespace
}  // namespace calsweep::worker
