// Reads the images and labels of a data set from its files: IDX (gzip or plain) and CIFAR records.
//
// Everything is checked before it is believed: magic numbers, dimensions, file sizes, label ranges,
// gzip checksums. A file that is shorter, longer or other than it says is refused by name.
#pragma once

#include <filesystem>

#include "sweeps/datasets.hpp"
#include "worker/image_set.hpp"

namespace calsweep::worker {

enum class Split { Train, Test };

/// Labels are read only for sets with classes. Throws IoError if a file cannot be opened or read,
/// FormatError if its content is damaged or not what the description says.
ImageSet read_split(const DatasetDescription& set, const std::filesystem::path& folder,
                    Split split);

}  // namespace calsweep::worker
