#include "sweeps/datasets.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "sweeps/errors.hpp"
#include "tests/support/temporary_directory.hpp"

namespace calsweep {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& file, const std::string& content) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << content;
}

TEST(DatasetsTest, a_missing_set_says_what_where_and_how) {
  const testing::TemporaryDirectory root;
  put(root / "cifar-10-batches-bin/data_batch_1.bin", "x");
  try {
    locate_dataset("cifar-10", root.path().string());
    FAIL();
  } catch (const IoError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("cifar-10-batches-bin: data_batch_2.bin not there"), std::string::npos)
        << text;
    EXPECT_NE(text.find("to get it: download"), std::string::npos);
  }
}

TEST(DatasetsTest, gzipped_and_counted_files_are_found) {
  const testing::TemporaryDirectory root;
  put(root / "kmnist/t10k-images-idx3-ubyte.gz", "a");
  put(root / "kmnist/t10k-labels-idx1-ubyte", "b");
  put(root / "ood/gtsrb_2000.bin", "c");
  put(root / "ood/gtsrb_extra.bin", "d");
  EXPECT_EQ(find_dataset_folder("kmnist", root.path().string()), root / "kmnist");
  EXPECT_EQ(find_data_file(root / "ood", "gtsrb.bin"), root / "ood/gtsrb_2000.bin");
  EXPECT_TRUE(find_data_file(root / "ood", "svhn.bin").empty());
}

// SHA-256("ab") from Python's hashlib: the fingerprint is over the files' content in order.
TEST(DatasetsTest, fingerprint_is_the_hash_of_all_files_in_order) {
  const testing::TemporaryDirectory root;
  put(root / "t10k-images-idx3-ubyte", "a");
  put(root / "t10k-labels-idx1-ubyte", "b");
  EXPECT_EQ(fingerprint_dataset(*find_dataset("kmnist"), root.path()),
            "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603");
}

TEST(DatasetsTest, ood_names_have_parts) {
  const OodName name = parse_ood_name("gtsrb:raw?");
  EXPECT_EQ(name.set, "gtsrb");
  EXPECT_TRUE(name.raw);
  EXPECT_TRUE(name.optional);
  EXPECT_EQ(name.str(), "gtsrb:raw");
}

TEST(DatasetsTest, inventory_travels_as_json) {
  DataInventory inventory;
  inventory.sets["mnist"] = {"mnist", "/data/mnist", "abc"};
  const DataInventory back = DataInventory::from_json(inventory.to_json());
  EXPECT_EQ(back.sets.at("mnist").folder, "/data/mnist");
  EXPECT_EQ(back.to_json(), inventory.to_json());
  EXPECT_THROW(DataInventory::from_json("[]1"), FormatError);
}

}  // namespace
}  // namespace calsweep
