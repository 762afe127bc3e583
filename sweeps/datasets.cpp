#include "sweeps/datasets.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <fstream>
#include <memory>

#include "sweeps/errors.hpp"

namespace calsweep {
namespace {

namespace fs = std::filesystem;

constexpr std::array<double, 3> kZero{0, 0, 0}, kOne{1, 1, 1};
constexpr std::string_view kMnistHint =
    "download the four IDX files (train-/t10k-images-idx3-ubyte, -labels-idx1-ubyte, gzip or "
    "plain) "
    "into a folder 'mnist' of a data root";
constexpr std::string_view kRecordHint =
    "put it there as records of one label byte and 3 planes of 32 x 32 bytes (the CIFAR-10 binary "
    "layout)";

SplitFiles idx(const std::string& prefix) {
  return {{prefix + "-images-idx3-ubyte"}, prefix + "-labels-idx1-ubyte"};
}

DatasetDescription idx_set(std::string_view name, double mean, double std, std::int64_t n_train,
                           std::string_view debian_folder, std::string_view how) {
  DatasetDescription set{};
  set.name = name;
  set.format = DataFormat::Idx;
  set.channels = 1;
  set.height = set.width = 28;
  set.n_classes = 10;
  set.n_train = n_train;
  set.n_test = 10000;
  set.mean = {mean, mean, mean};
  set.std = {std, std, std};
  if (n_train > 0) set.train = idx("train");
  set.test = idx("t10k");
  set.folders = {name};
  set.debian_folder = debian_folder;
  set.how_to_get = how;
  return set;
}

DatasetDescription record_set(std::string_view name, std::int64_t label_bytes,
                              const std::string& file) {
  DatasetDescription set{};
  set.name = name;
  set.format = DataFormat::CifarBinary;
  set.channels = 3;
  set.height = set.width = 32;
  set.label_bytes = label_bytes;
  set.mean = kZero;
  set.std = kOne;
  set.test = {{file}, ""};
  set.folders = {"ood"};
  set.how_to_get = kRecordHint;
  return set;
}

std::vector<DatasetDescription> make_datasets() {
  std::vector<DatasetDescription> sets = {
      idx_set(
          "fashion-mnist", 0.2860, 0.3530, 60000, "/usr/share/datasets/fashion-mnist",
          "apt-get install dataset-fashion-mnist (Debian), or put the four IDX files into a folder "
          "'fashion-mnist' of a data root"),
      idx_set("mnist", 0.1307, 0.3081, 60000, "", kMnistHint),
      idx_set("kmnist", 0.1904, 0.3475, 0, "", "put the two t10k IDX files into a folder 'kmnist'"),
      record_set("cifar-100", 2, "cifar100.bin"),
      record_set("tiny-imagenet", 1, "tiny_imagenet.bin"),
      record_set("gtsrb", 1, "gtsrb.bin"),
      record_set("dtd", 1, "dtd.bin"),
      record_set("svhn", 1, "svhn.bin"),
  };
  DatasetDescription cifar = record_set("cifar-10", 1, "test_batch.bin");
  cifar.n_classes = 10;
  cifar.n_train = 50000;
  cifar.n_test = 10000;
  // The paper's constants: the standard deviation is the mean over images of each image's own.
  cifar.mean = {0.49139968, 0.48215841, 0.44653091};
  cifar.std = {0.20220212, 0.19931542, 0.20086346};
  for (int batch = 1; batch <= 5; ++batch) {
    cifar.train.images.push_back(fmt::format("data_batch_{}.bin", batch));
  }
  cifar.folders = {"cifar-10-batches-bin", "cifar-10"};
  cifar.how_to_get =
      "download the binary version of CIFAR-10 and unpack its folder 'cifar-10-batches-bin' into a "
      "data root";
  sets.push_back(std::move(cifar));
  return sets;
}

std::vector<std::string> all_files(const DatasetDescription& set) {
  std::vector<std::string> files = set.train.images;
  if (!set.train.labels.empty()) files.push_back(set.train.labels);
  files.insert(files.end(), set.test.images.begin(), set.test.images.end());
  if (!set.test.labels.empty()) files.push_back(set.test.labels);
  return files;
}

std::vector<fs::path> candidate_folders(const DatasetDescription& set, const std::string& root) {
  std::vector<fs::path> folders;
  for (const auto& base : data_roots(root)) {
    for (const auto folder : set.folders) folders.push_back(base / folder);
  }
  if (!set.debian_folder.empty()) folders.emplace_back(set.debian_folder);
  return folders;
}

bool holds_all(const DatasetDescription& set, const fs::path& folder) {
  for (const auto& file : all_files(set)) {
    if (find_data_file(folder, file).empty()) return false;
  }
  return true;
}

const DatasetDescription& require_dataset(std::string_view name) {
  const auto* set = find_dataset(name);
  if (set == nullptr) throw UsageError(fmt::format("there is no data set '{}'", name));
  return *set;
}

}  // namespace

OodName parse_ood_name(std::string_view entry) {
  OodName name;
  if (entry.ends_with('?')) {
    name.optional = true;
    entry.remove_suffix(1);
  }
  if (entry.ends_with(":raw")) {
    name.raw = true;
    entry.remove_suffix(4);
  }
  name.set = std::string(entry);
  return name;
}

std::span<const DatasetDescription> known_datasets() {
  static const std::vector<DatasetDescription> sets = make_datasets();
  return sets;
}

const DatasetDescription* find_dataset(std::string_view name) {
  for (const auto& set : known_datasets()) {
    if (set.name == name) return &set;
  }
  return nullptr;
}

std::vector<fs::path> data_roots(const std::string& data_root_of_spec) {
  std::vector<fs::path> roots;
  if (!data_root_of_spec.empty()) roots.emplace_back(data_root_of_spec);
  if (const char* root = std::getenv("CALSWEEP_DATA"); root != nullptr && *root != '\0') {
    roots.emplace_back(root);
  }
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    roots.push_back(fs::path(cache) / "calsweep" / "data");
  } else if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    roots.push_back(fs::path(home) / ".cache" / "calsweep" / "data");
  }
  return roots;
}

fs::path find_data_file(const fs::path& folder, const std::string& name) {
  std::error_code ignored;
  for (const std::string suffix : {"", ".gz"}) {
    const fs::path file = folder / (name + suffix);
    if (fs::is_regular_file(file, ignored)) return file;
  }
  // Record files may carry their number of images: "gtsrb_2000.bin".
  const fs::path stem = fs::path(name).stem();
  const std::string extension = fs::path(name).extension().string();
  fs::path best;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string other = entry.path().stem().string();
    if (entry.path().extension() != extension || !other.starts_with(stem.string() + "_")) continue;
    const std::string count = other.substr(stem.string().size() + 1);
    const bool digits =
        !count.empty() && count.find_first_not_of("0123456789") == std::string::npos;
    if (digits && (best.empty() || entry.path() < best)) best = entry.path();
  }
  return best;
}

fs::path find_dataset_folder(std::string_view name, const std::string& data_root_of_spec) {
  const auto& set = require_dataset(name);
  for (const auto& folder : candidate_folders(set, data_root_of_spec)) {
    if (holds_all(set, folder)) return folder;
  }
  return {};
}

fs::path locate_dataset(std::string_view name, const std::string& data_root_of_spec) {
  fs::path found = find_dataset_folder(name, data_root_of_spec);
  if (!found.empty()) return found;
  const auto& set = require_dataset(name);
  std::string searched;
  for (const auto& folder : candidate_folders(set, data_root_of_spec)) {
    std::string missing = "folder not there";
    if (fs::is_directory(folder)) {
      for (const auto& file : all_files(set)) {
        if (find_data_file(folder, file).empty()) {
          missing = file + " not there";
          break;
        }
      }
    }
    searched += fmt::format("\n  looked in {}: {}", folder.string(), missing);
  }
  throw IoError(fmt::format(
      "the data set '{}' is not on this machine{}\n  to get it: {}; data roots are the spec's "
      "data_root, $CALSWEEP_DATA and ~/.cache/calsweep/data",
      name, searched, set.how_to_get));
}

std::string fingerprint_dataset(const DatasetDescription& set, const fs::path& folder) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::vector<char> buffer(1 << 20);
  for (const auto& name : all_files(set)) {
    const fs::path file = find_data_file(folder, name);
    std::ifstream in(file, std::ios::binary);
    while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
      EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(in.gcount()));
    }
    if (!in.eof()) {
      throw IoError(
          fmt::format("cannot read {} of data set '{}' in {}", name, set.name, folder.string()));
    }
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int length = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &length);
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace calsweep
