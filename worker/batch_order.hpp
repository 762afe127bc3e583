// Which training images each network of a stack sees, in which order. Random numbers only; no
// pixels.
//
// Subsets of one size are the first images of one permutation, so sizes are nested; the validation
// images are the last of the shared permutation, whatever the size and the seed (so that one unit
// file needs their labels once). With `data.subset = "per-seed"` each seed permutes the images for
// itself and passes over those held out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sweeps/random.hpp"
#include "sweeps/settings.hpp"
#include "sweeps/unit.hpp"

namespace calsweep::worker {

/// Rows of the training split that are held out; the same for all trials with these data settings.
std::vector<std::int64_t> validation_rows(const Settings& settings, std::int64_t n_images);

/// Rows of the training split that the network of this seed is trained on. Throws FormatError if
/// size and validation_size ask for more images than there are.
std::vector<std::int64_t> training_rows(const Settings& settings, std::int64_t seed,
                                        std::int64_t n_images);

/// One epoch of K networks, ready to be cut into steps.
struct EpochOrder {
  std::int64_t networks = 0;
  std::vector<std::int64_t> batch_sizes;  ///< [steps]; all equal but perhaps the last
  std::vector<std::int64_t> rows;         ///< step after step, each [K, batch]

  std::int64_t steps() const { return static_cast<std::int64_t>(batch_sizes.size()); }
  /// Where step `step` begins in `rows`.
  std::int64_t offset(std::int64_t step) const { return step * networks * batch_sizes.front(); }
};

/// Draws a fresh permutation per epoch and network, from a generator of the network's own: methods
/// that share a seed see the same batches.
class BatchOrder {
 public:
  /// rows: [K][n], equally many for every network. batch_size may exceed n: one batch of n.
  BatchOrder(std::vector<std::vector<std::int64_t>> rows, std::span<const StackMember> members,
             std::int64_t batch_size, bool drop_last);

  /// Batches per epoch; 0 if drop_last drops the only one.
  std::int64_t steps() const;
  EpochOrder next_epoch();
  /// The generators as they were before the latest epoch was drawn. After rewind_to(those),
  /// next_epoch() draws it again.
  const std::vector<Random>& before_epoch() const { return before_epoch_; }
  void rewind_to(std::vector<Random> generators) { generators_ = std::move(generators); }

 private:
  std::vector<std::vector<std::int64_t>> rows_;
  std::vector<Random> generators_, before_epoch_;
  std::int64_t batch_size_, n_images_;
  bool drop_last_;
};

/// The generator of one network for one purpose.
Random generator_for(const StackMember& member, std::string_view purpose);
std::uint64_t key_for(const StackMember& member, std::string_view purpose);

}  // namespace calsweep::worker
