// The members of an ensemble: networks, or Monte-Carlo samples of one network, seen on one set of
// rows. Whatever order they are given in, everything works in ascending order of their ids, so the
// bits of a result do not depend on it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace calsweep::analysis {

struct MemberProbabilities {
  std::int64_t id = 0;                    ///< seed, or number of the sample; no two alike
  std::span<const double> probabilities;  ///< [n, n_classes] row-major, each in [0, 1]
};

/// Members in ascending order of id, checked once. Keeps views: the probabilities must outlive it.
class EnsembleView {
 public:
  /// Throws UsageError for no member or an id given twice (an "ensemble" of one network evaluated
  /// again and again), FormatError, naming member and row, for shapes that differ and for
  /// probabilities outside [0, 1]. `what` names the ensemble in messages.
  EnsembleView(std::span<const MemberProbabilities> members, std::int64_t n_classes,
               std::string_view what);

  std::size_t n_members() const { return members_.size(); }
  std::size_t n_classes() const { return n_classes_; }
  std::size_t n_rows() const { return n_rows_; }
  std::int64_t id(std::size_t member) const { return members_[member].id; }
  std::span<const double> probabilities(std::size_t member) const {
    return members_[member].probabilities;
  }
  const double* row(std::size_t member, std::size_t row) const {
    return members_[member].probabilities.data() + row * n_classes_;
  }
  /// Number of members whose probabilities differ from those of every member before them. Less than
  /// n_members() says that one network was evaluated under several ids.
  std::size_t n_distinct_members() const;

 private:
  std::vector<MemberProbabilities> members_;
  std::size_t n_classes_;
  std::size_t n_rows_ = 0;
};

/// n_distinct_members() of an ensemble that is seen in ranges of rows.
class DistinctMembers {
 public:
  explicit DistinctMembers(std::size_t n_members)
      : n_members_(n_members), equal_(n_members * n_members, true) {}
  void add(const EnsembleView& rows);
  std::size_t count() const;

 private:
  std::size_t n_members_;
  std::vector<bool> equal_;  // [member, earlier member]: no row has told them apart
};

/// Mean of the members' probabilities (Lakshminarayanan et al. 2017: probabilities, not logits),
/// [n, n_classes]: summed in order of id, divided once, at most 1.
std::vector<double> pooled_probabilities(const EnsembleView& ensemble);

}  // namespace calsweep::analysis
