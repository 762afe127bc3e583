// The data sets calsweep knows: names, files, shapes, where they are looked for, fingerprints.
//
// Reading pixels is the worker's job; this file only says what exists and whether it is the same
// data as before. Searched, in this order: the spec's data_root, $CALSWEEP_DATA,
// ~/.cache/calsweep/data (XDG_CACHE_HOME respected), and the folders that Debian packages install.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace calsweep {

enum class DataFormat {
  Idx,         ///< gzip or plain IDX: images (n, rows, columns) uint8 and labels (n) uint8
  CifarBinary  ///< records of `label_bytes` label bytes, then 3 planes of 32 x 32 uint8
};

/// One split of one data set on disk. CifarBinary: `images` lists the record files in order and
/// `labels` is empty. Idx: one images file, one labels file.
struct SplitFiles {
  std::vector<std::string> images;  ///< relative to the folder where the data set was found
  std::string labels;
};

struct DatasetDescription {
  std::string_view name;  ///< "fashion-mnist"
  DataFormat format;
  std::int64_t channels, height, width;
  std::int64_t n_classes;    ///< 0 for sets that serve only as out-of-distribution inputs
  std::int64_t label_bytes;  ///< CifarBinary only
  std::int64_t n_train;      ///< 0: no training split
  std::int64_t n_test;
  std::array<double, 3> mean, std;  ///< per channel, of pixels scaled to [0, 1]
  SplitFiles train, test;
  std::vector<std::string_view> folders;  ///< sub-folders of a data root it may lie in
  std::string_view debian_folder;         ///< absolute folder a Debian package installs, or empty
  std::string_view how_to_get;            ///< one sentence
  bool trainable() const { return n_train > 0; }
};

std::span<const DatasetDescription> known_datasets();
/// nullptr if unknown.
const DatasetDescription* find_dataset(std::string_view name);

/// An entry of data.ood: "mnist", "gtsrb:raw" (pixels scaled to [0, 1] only), "mnist?" (may be
/// absent).
struct OodName {
  std::string set;
  bool raw = false;
  bool optional = false;
  std::string str() const { return set + (raw ? ":raw" : ""); }  ///< without the "?"
};
OodName parse_ood_name(std::string_view entry);

/// A data set as found on this machine.
struct DatasetOnDisk {
  std::string name;
  std::filesystem::path folder;
  std::string fingerprint;  ///< SHA-256 over the content of its files in order (64 hex digits)
};

/// Which data sets a sweep uses and what they contained: part of every trial id, kept in the run
/// directory so that analysis needs no data. An optional OOD set that was absent is simply missing.
struct DataInventory {
  std::map<std::string, DatasetOnDisk> sets;
  std::string to_json() const;
  static DataInventory from_json(std::string_view json);  ///< throws FormatError
};

/// Folders searched, most specific first.
std::vector<std::filesystem::path> data_roots(const std::string& data_root_of_spec);

/// Where `name`'s files lie. Throws IoError naming the missing file, every folder searched and how
/// to get the data.
std::filesystem::path locate_dataset(std::string_view name, const std::string& data_root_of_spec);
/// As above, an empty path instead of an exception.
std::filesystem::path find_dataset_folder(std::string_view name,
                                          const std::string& data_root_of_spec);

/// The file called `name`, `name`.gz or, for record files, `stem`_COUNT.bin in `folder`; empty if
/// none.
std::filesystem::path find_data_file(const std::filesystem::path& folder, const std::string& name);

/// Reads the files of a set and hashes them. Throws IoError.
std::string fingerprint_dataset(const DatasetDescription& set, const std::filesystem::path& folder);

}  // namespace calsweep
