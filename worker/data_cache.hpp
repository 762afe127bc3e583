// The data sets of a trainer, read once and kept in device memory from unit to unit.
//
// The files' fingerprint is compared with the sweep's inventory before anything is read: results
// are attributed to that content, on whichever host they are made.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sweeps/datasets.hpp"
#include "worker/pixel_source.hpp"
#include "worker/read_images.hpp"

namespace calsweep::worker {

struct LoadedSplit {
  PixelSource images;
  std::vector<std::int32_t> labels;
};

class DataCache {
 public:
  explicit DataCache(at::Device device) : device_(device) {}

  /// Where the data sets of the next unit are looked for: the inventory's folder if it exists on
  /// this host, else the usual places.
  void set_sources(DataInventory inventory, std::string data_root);

  /// Images made to fit `shape`. The reference stays valid for the life of the cache. Throws
  /// IoError or FormatError.
  const LoadedSplit& load(const DatasetDescription& set, Split split, const ImageShape& shape,
                          const Normalization& normalization);

 private:
  struct StoredSplit {
    at::Tensor pixels;  // [N, D] uint8
    std::vector<std::int32_t> labels;
  };
  std::filesystem::path folder_of(const DatasetDescription& set);
  const StoredSplit& stored(const DatasetDescription& set, const std::filesystem::path& folder,
                            Split split, const ImageShape& shape, const std::string& key);

  at::Device device_;
  DataInventory inventory_;
  std::string data_root_;
  std::map<std::string, std::string> fingerprints_;  // folder and set -> what was found
  std::map<std::string, StoredSplit> stored_;
  std::map<std::string, LoadedSplit> loaded_;
};

}  // namespace calsweep::worker
