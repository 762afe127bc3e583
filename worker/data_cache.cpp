#include "worker/data_cache.hpp"

#include "sweeps/errors.hpp"

namespace calsweep::worker {
namespace {

namespace fs = std::filesystem;

// A test set is evaluated many times; as float32, CIFAR-10's 10,000 images take 123 MB.
constexpr std::int64_t kMaxNormalizedTestBytes = std::int64_t{160} << 20;

std::string text(const Normalization& normalization) {
  std::string key;
  for (const double value : normalization.mean) key += " " + std::to_string(value);
  for (const double value : normalization.std) key += " " + std::to_string(value);
  return key;
}

}  // namespace

void DataCache::set_sources(DataInventory inventory, std::string data_root) {
  inventory_ = std::move(inventory);
  data_root_ = std::move(data_root);
}

fs::path DataCache::folder_of(const DatasetDescription& set) {
  const auto known = inventory_.sets.find(std::string(set.name));
  std::error_code ignored;
  const bool use_known =
      known != inventory_.sets.end() && fs::is_directory(known->second.folder, ignored);
  const fs::path folder = use_known ? known->second.folder : locate_dataset(set.name, data_root_);
  if (known == inventory_.sets.end() || known->second.fingerprint.empty()) return folder;
  std::string& found = fingerprints_[folder.string() + " " + std::string(set.name)];
  if (found.empty()) found = fingerprint_dataset(set, folder);
  if (found != known->second.fingerprint) {
    throw FormatError("data set " + std::string(set.name) + " in " + folder.string() +
                      " is not the one this sweep was started with (SHA-256 " +
                      found.substr(0, 12) + ", expected " +
                      known->second.fingerprint.substr(0, 12) +
                      "): restore the files, or start a new run directory");
  }
  return folder;
}

const DataCache::StoredSplit& DataCache::stored(const DatasetDescription& set,
                                                const fs::path& folder, Split split,
                                                const ImageShape& shape, const std::string& key) {
  const auto found = stored_.find(key);
  if (found != stored_.end()) return found->second;
  ImageSet images = adapt_images(read_split(set, folder, split), shape);
  const at::Tensor host = at::from_blob(images.pixels.data(), {images.count(), shape.pixels()},
                                        at::TensorOptions().dtype(at::kByte));
  at::Tensor pixels = at::empty(host.sizes(), host.options().device(device_));
  pixels.copy_(host);
  return stored_.emplace(key, StoredSplit{pixels, std::move(images.labels)}).first->second;
}

const LoadedSplit& DataCache::load(const DatasetDescription& set, Split split,
                                   const ImageShape& shape, const Normalization& normalization) {
  const fs::path folder = folder_of(set);
  const std::string key = folder.string() + " " + std::string(set.name) +
                          (split == Split::Train ? " train " : " test ") + to_string(shape);
  const std::string full_key = key + text(normalization);
  const auto found = loaded_.find(full_key);
  if (found != loaded_.end()) return found->second;
  const StoredSplit& bytes = stored(set, folder, split, shape, key);
  LoadedSplit loaded{PixelSource(bytes.pixels, shape, normalization), bytes.labels};
  if (split == Split::Test) loaded.images.normalize_ahead(kMaxNormalizedTestBytes);
  return loaded_.emplace(full_key, std::move(loaded)).first->second;
}

}  // namespace calsweep::worker
