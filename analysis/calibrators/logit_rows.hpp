// Logits in the layout the calibrators compute on: double, in blocks of 256 rows, one column per
// class, so that every operation runs down a column and is vectorised over rows. Fixed blocks also
// fix the order of every sum. Softmax and its logarithm are here, each relative to the row maximum.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace calsweep::analysis {

class LogitRows {
 public:
  static constexpr std::int64_t kBlockRows = 256;
  using Block = Eigen::ArrayXXd;  ///< [rows, n_classes], column-major

  explicit LogitRows(std::int64_t n_classes) : n_classes_(n_classes) {}
  /// logits: float32 [n, n_classes] row-major. Throws FormatError if the values are not rows of
  /// n_classes >= 2. Values that are not finite are kept: see first_bad_row.
  LogitRows(std::span<const float> logits, std::int64_t n_classes, std::string_view what);

  std::int64_t n_rows() const { return n_rows_; }
  std::int64_t n_classes() const { return n_classes_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  std::vector<Block>& blocks() { return blocks_; }

  double at(std::int64_t row, std::int64_t c) const {
    return blocks_[static_cast<std::size_t>(row / kBlockRows)](row % kBlockRows, c);
  }
  /// First row with a value that is NaN or infinite.
  std::optional<std::int64_t> first_bad_row() const;

 private:
  std::int64_t n_rows_ = 0;
  std::int64_t n_classes_ = 0;
  std::vector<Block> blocks_;
};

// What a row becomes never depends on its position or on its neighbours, to the bit: sums run over
// the classes in order, and the last elements of an array take the same vector instructions as all
// others (Eigen would give them the C library's exp and log).
/// exp of every element, each at most 0; natural logarithm of every element.
LogitRows::Block exponential(LogitRows::Block x);
Eigen::ArrayXd natural_logarithm(Eigen::ArrayXd x);
/// [rows, K] -> [rows], classes added in order.
Eigen::ArrayXd row_sums(const LogitRows::Block& x);
/// z - max of the row; softmax; its logarithm. All [rows, K] -> [rows, K].
LogitRows::Block minus_row_maximum(const LogitRows::Block& z);
LogitRows::Block softmax(const LogitRows::Block& z);
LogitRows::Block log_softmax(const LogitRows::Block& z);
/// Index of the first largest value of each row. [rows]
Eigen::ArrayXi first_largest(const LogitRows::Block& z);

}  // namespace calsweep::analysis
