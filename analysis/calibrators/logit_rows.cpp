#include "analysis/calibrators/logit_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/metrics/vector_exp.hpp"
#include "sweeps/errors.hpp"

namespace calsweep::analysis {
namespace {

// As wide as any vector register: always computed by vector instructions.
using Octet = Eigen::Array<double, 8, 1>;

Octet last_elements(const double* values, Eigen::Index size) {
  Octet tail = Octet::Ones();
  for (Eigen::Index i = size - size % 8; i < size; ++i) tail(i % 8) = values[i];
  return tail;
}

void put_last_elements(const Octet& tail, double* values, Eigen::Index size) {
  for (Eigen::Index i = size - size % 8; i < size; ++i) values[i] = tail(i % 8);
}

}  // namespace

LogitRows::LogitRows(std::span<const float> logits, std::int64_t n_classes, std::string_view what)
    : n_classes_(n_classes) {
  if (n_classes < 2) {
    throw FormatError(
        fmt::format("{}: {} classes; a calibrator needs at least 2", what, n_classes));
  }
  const auto k = static_cast<std::size_t>(n_classes);
  if (logits.size() % k != 0) {
    throw FormatError(
        fmt::format("{}: {} logits are not rows of {} classes", what, logits.size(), n_classes));
  }
  n_rows_ = static_cast<std::int64_t>(logits.size() / k);
  using RowMajor = Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  for (std::int64_t first = 0; first < n_rows_; first += kBlockRows) {
    const std::int64_t rows = std::min(kBlockRows, n_rows_ - first);
    const float* source = logits.data() + static_cast<std::size_t>(first) * k;
    blocks_.emplace_back(Eigen::Map<const RowMajor>(source, rows, n_classes).cast<double>());
  }
}

std::optional<std::int64_t> LogitRows::first_bad_row() const {
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    if (blocks_[b].isFinite().all()) continue;
    const auto bad = (!blocks_[b].isFinite()).rowwise().any().eval();
    const auto row = std::find(bad.data(), bad.data() + bad.size(), true) - bad.data();
    return static_cast<std::int64_t>(b) * kBlockRows + row;
  }
  return std::nullopt;
}

LogitRows::Block exponential(LogitRows::Block x) {
  exp_of_nonpositive(x.data(), static_cast<std::size_t>(x.size()));
  return x;
}

Eigen::ArrayXd natural_logarithm(Eigen::ArrayXd x) {
  const Octet tail = last_elements(x.data(), x.size());
  x = x.log();
  put_last_elements(tail.log(), x.data(), x.size());
  return x;
}

Eigen::ArrayXd row_sums(const LogitRows::Block& x) {
  Eigen::ArrayXd sum = x.col(0);
  for (Eigen::Index c = 1; c < x.cols(); ++c) sum += x.col(c);
  return sum;
}

LogitRows::Block minus_row_maximum(const LogitRows::Block& z) {
  Eigen::ArrayXd largest = z.col(0);
  for (Eigen::Index c = 1; c < z.cols(); ++c) largest = largest.max(z.col(c));
  return z.colwise() - largest;
}

LogitRows::Block softmax(const LogitRows::Block& z) {
  LogitRows::Block p = exponential(minus_row_maximum(z));
  const Eigen::ArrayXd sum = row_sums(p);
  p.colwise() /= sum;
  return p;
}

LogitRows::Block log_softmax(const LogitRows::Block& z) {
  LogitRows::Block shifted = minus_row_maximum(z);
  const Eigen::ArrayXd log_sum = natural_logarithm(row_sums(exponential(shifted)));
  shifted.colwise() -= log_sum;
  return shifted;
}

Eigen::ArrayXi first_largest(const LogitRows::Block& z) {
  Eigen::ArrayXi best = Eigen::ArrayXi::Zero(z.rows());
  Eigen::ArrayXd largest = z.col(0);
  for (Eigen::Index c = 1; c < z.cols(); ++c) {
    for (Eigen::Index i = 0; i < z.rows(); ++i) {
      if (z(i, c) > largest(i)) {
        largest(i) = z(i, c);
        best(i) = static_cast<int>(c);
      }
    }
  }
  return best;
}

}  // namespace calsweep::analysis
