// Which images a recipe's settings mean: data set, input shape, normalisation, splits, OOD sets.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sweeps/settings.hpp"
#include "worker/data_cache.hpp"

namespace calsweep::worker {

/// Throws FormatError unless it is one to train on.
const DatasetDescription& dataset_of(const Settings& settings);
ImageShape input_shape(const Settings& settings);

const LoadedSplit& training_split(const Settings& settings, DataCache& data);
const LoadedSplit& test_split(const Settings& settings, DataCache& data);
/// entry: "mnist", "gtsrb:raw". Normalised as the training data unless it says raw.
const LoadedSplit& ood_split(const Settings& settings, const std::string& entry, DataCache& data);

/// Images used of a set, from the first. Of a test set never more than are asked for (FormatError);
/// of an OOD set as many as there are, since sets differ in size.
std::int64_t test_count(const Settings& settings, const LoadedSplit& test);
std::int64_t ood_count(const Settings& settings, const LoadedSplit& ood);

/// Labels of the test images used, and of the validation images (empty if none).
std::vector<std::int32_t> test_labels(const Settings& settings, DataCache& data);
std::vector<std::int32_t> validation_labels(const Settings& settings, DataCache& data);

at::Tensor index_tensor(const std::vector<std::int64_t>& rows, at::Device device);

}  // namespace calsweep::worker
