#include "worker/batch_order.hpp"

#include <algorithm>
#include <string>

#include "sweeps/errors.hpp"

namespace calsweep::worker {
namespace {

// Keeps the seeds of different subset seeds apart: seeds are small, this is not.
constexpr std::uint64_t kSubsetSeedStride = 1000003;

std::vector<std::int64_t> shared_permutation(const Settings& settings, std::int64_t n_images) {
  const auto key = static_cast<std::uint64_t>(settings.integer("data.subset_seed"));
  return Random(random_key(key, 0, "subset")).permutation(n_images);
}

std::vector<std::int64_t> own_permutation(const Settings& settings, std::int64_t seed,
                                          std::int64_t n_images) {
  const auto subset_seed = static_cast<std::uint64_t>(settings.integer("data.subset_seed"));
  const std::uint64_t key = subset_seed * kSubsetSeedStride + static_cast<std::uint64_t>(seed);
  return Random(random_key(key, 0, "subset-per-seed")).permutation(n_images);
}

void remove_held_out(std::vector<std::int64_t>& rows, const Settings& settings,
                     std::int64_t n_images) {
  std::vector<char> held_out(static_cast<std::size_t>(n_images), 0);
  for (const auto row : validation_rows(settings, n_images)) {
    held_out[static_cast<std::size_t>(row)] = 1;
  }
  std::erase_if(rows,
                [&](std::int64_t row) { return held_out[static_cast<std::size_t>(row)] != 0; });
}

std::int64_t checked_size(const Settings& settings, std::int64_t n_images) {
  const std::int64_t held_out = settings.integer("data.validation_size");
  const std::int64_t wanted = settings.integer("data.size");
  const std::int64_t left = n_images - held_out;
  if (left < 1 || wanted > left) {
    throw FormatError("data set " + settings.text("data.dataset") + " has " +
                      std::to_string(n_images) +
                      " training images; data.size = " + std::to_string(wanted) +
                      " and data.validation_size = " + std::to_string(held_out) + " ask for more");
  }
  return wanted == 0 ? left : wanted;
}

}  // namespace

std::vector<std::int64_t> validation_rows(const Settings& settings, std::int64_t n_images) {
  const std::int64_t held_out = settings.integer("data.validation_size");
  if (held_out == 0) return {};
  checked_size(settings, n_images);
  const auto rows = shared_permutation(settings, n_images);
  return {rows.end() - held_out, rows.end()};
}

std::vector<std::int64_t> training_rows(const Settings& settings, std::int64_t seed,
                                        std::int64_t n_images) {
  const std::int64_t size = checked_size(settings, n_images);
  const bool shared = settings.text("data.subset") == "shared";
  auto rows =
      shared ? shared_permutation(settings, n_images) : own_permutation(settings, seed, n_images);
  if (!shared) remove_held_out(rows, settings, n_images);
  rows.resize(static_cast<std::size_t>(size));
  return rows;
}

std::uint64_t key_for(const StackMember& member, std::string_view purpose) {
  return random_key(static_cast<std::uint64_t>(member.seed), member.member, purpose);
}

Random generator_for(const StackMember& member, std::string_view purpose) {
  return Random(key_for(member, purpose));
}

BatchOrder::BatchOrder(std::vector<std::vector<std::int64_t>> rows,
                       std::span<const StackMember> members, std::int64_t batch_size,
                       bool drop_last)
    : rows_(std::move(rows)), batch_size_(batch_size), drop_last_(drop_last) {
  CALSWEEP_CHECK(!rows_.empty() && rows_.size() == members.size(), "one list of rows per network");
  n_images_ = static_cast<std::int64_t>(rows_.front().size());
  batch_size_ = drop_last_ ? batch_size_ : std::min(batch_size_, n_images_);
  for (const auto& member : members) generators_.push_back(generator_for(member, "order"));
  before_epoch_ = generators_;
}

std::int64_t BatchOrder::steps() const {
  return drop_last_ ? n_images_ / batch_size_ : (n_images_ + batch_size_ - 1) / batch_size_;
}

EpochOrder BatchOrder::next_epoch() {
  const auto networks = static_cast<std::int64_t>(rows_.size());
  EpochOrder epoch;
  epoch.networks = networks;
  before_epoch_ = generators_;
  for (std::int64_t begin = 0, step = 0; step < steps(); ++step, begin += batch_size_) {
    epoch.batch_sizes.push_back(std::min(batch_size_, n_images_ - begin));
  }
  std::vector<std::vector<std::int64_t>> orders;
  for (auto& generator : generators_) orders.push_back(generator.permutation(n_images_));
  epoch.rows.reserve(static_cast<std::size_t>(n_images_ * networks));
  for (std::int64_t begin = 0, step = 0; step < epoch.steps(); ++step, begin += batch_size_) {
    const std::int64_t end = begin + epoch.batch_sizes[static_cast<std::size_t>(step)];
    for (std::size_t k = 0; k < rows_.size(); ++k) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto position = static_cast<std::size_t>(orders[k][static_cast<std::size_t>(i)]);
        epoch.rows.push_back(rows_[k][position]);
      }
    }
  }
  return epoch;
}

}  // namespace calsweep::worker
