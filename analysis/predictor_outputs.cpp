#include "analysis/predictor_outputs.hpp"

#include <algorithm>

#include "analysis/ensembles/members.hpp"

namespace calsweep::analysis {
namespace {

/// Memory for ClassColumns.
constexpr std::int64_t kBytesOfColumns = std::int64_t{1} << 26;

template <class T>
void append(std::vector<T>& all, const std::vector<T>& part) {
  all.insert(all.end(), part.begin(), part.end());
}

Predictions predict(const SetRows& rows, const RowRange& range) {
  if (rows.has_logits()) {
    return predict_from_logits(range.logits(), rows.n_classes(), range.labels, range.what);
  }
  return predict_from_probabilities(range.probabilities(), rows.n_classes(), range.labels,
                                    range.what);
}

void append_brier(const RowRange& range, std::size_t k, std::vector<double>& brier) {
  const auto probabilities = range.probabilities();
  for (std::size_t i = 0; i < range.labels.size(); ++i) {
    double sum = 0.0;
    for (std::size_t c = 0; c < k; ++c) {
      const double hit = static_cast<std::size_t>(range.labels[i]) == c ? 1.0 : 0.0;
      const double d = probabilities[i * k + c] - hit;
      sum += d * d;
    }
    brier.push_back(sum);
  }
}

/// `score`: of a range of rows.
template <class Score>
OodScores all_scores(const SetRows& rows, std::span<const OodScore> wanted, Score score) {
  OodScores all;
  for (const auto one : wanted) all.of(one).reserve(static_cast<std::size_t>(rows.n_rows()));
  rows.for_each_range([&](const RowRange& range) {
    const auto part = score(range);
    for (const auto one : wanted) append(all.of(one), part.of(one));
  });
  return all;
}

}  // namespace

PredictionSum::PredictionSum(const SetRows& rows, RowDetail detail) : detail_(detail) {
  total_.n_classes = rows.n_classes();
  total_.labelled = rows.labelled();
  total_.tally = Tally(rows.n_classes());
  if (rows.labels().empty()) return;
  const auto n = static_cast<std::size_t>(rows.n_rows());
  total_.confidence_f32.reserve(n);
  total_.correct.reserve(n);
  if (detail == RowDetail::Losses) total_.nll_rows.reserve(n);
}

void PredictionSum::add(const Predictions& part) {
  total_.tally.merge(part.tally);
  if (!part.labelled) return;
  append(total_.confidence_f32, part.confidence_f32);
  append(total_.correct, part.correct);
  if (detail_ == RowDetail::Losses) append(total_.nll_rows, part.nll_rows);
}

SetOutputs outputs_of(SetRows rows, RowDetail detail) {
  PredictionSum sum(rows, detail);
  std::vector<double> brier;
  const bool losses = detail == RowDetail::Losses && !rows.labels().empty();
  if (losses) brier.reserve(static_cast<std::size_t>(rows.n_rows()));
  rows.for_each_range([&](const RowRange& range) {
    sum.add(predict(rows, range));
    if (losses) append_brier(range, static_cast<std::size_t>(rows.n_classes()), brier);
  });
  return {std::move(rows), sum.take(), std::move(brier)};
}

SetRows pooled_rows(const std::vector<SetRows>& members, SetDescription description) {
  const auto n_classes = description.n_classes;
  const std::string what = description.what;
  description.has_logits = false;
  const auto read = [&members, n_classes, what](std::int64_t first, std::int64_t n) {
    std::vector<std::shared_ptr<const RowRange>> ranges;
    std::vector<MemberProbabilities> views;
    for (const auto& member : members) {
      ranges.push_back(member.range(first, n));
      views.push_back({static_cast<std::int64_t>(views.size()), ranges.back()->probabilities()});
    }
    return RowValues{{}, pooled_probabilities(EnsembleView(views, n_classes, what))};
  };
  return {std::move(description), read, members.front().limits()};
}

ClassColumns::ClassColumns(const SetRows& rows, std::span<const double> whole)
    : rows_(rows), whole_(whole) {
  const std::int64_t bytes = std::max<std::int64_t>(1, rows.n_rows()) * 8;
  n_held_ = std::clamp<std::int64_t>(kBytesOfColumns / bytes, 1, rows.n_classes());
}

std::span<const double> ClassColumns::operator()(std::int64_t k) {
  if (columns_.empty() || k < first_ || k >= first_ + n_held_) load(k);
  return columns_[static_cast<std::size_t>(k - first_)];
}

void ClassColumns::load(std::int64_t first) {
  first_ = first;
  columns_.resize(static_cast<std::size_t>(std::min(n_held_, rows_.n_classes() - first)));
  for (auto& column : columns_) {
    column.clear();
    column.reserve(static_cast<std::size_t>(rows_.n_rows()));
  }
  const auto k = static_cast<std::size_t>(rows_.n_classes());
  const auto add = [&](std::span<const double> probabilities) {
    for (std::size_t at = static_cast<std::size_t>(first); at < probabilities.size(); at += k) {
      for (std::size_t c = 0; c < columns_.size(); ++c) {
        columns_[c].push_back(probabilities[at + c]);
      }
    }
  };
  if (!whole_.empty()) return add(whole_);
  rows_.for_each_range([&](const RowRange& range) { add(range.probabilities()); });
}

OodScores scores_of(const SetRows& rows, std::span<const OodScore> wanted) {
  if (rows.has_logits()) return tempered_scores_of(rows, 1.0, wanted);
  return all_scores(rows, wanted, [&](const RowRange& range) {
    return ood_scores(range.probabilities(), rows.n_classes(), range.what);
  });
}

OodScores tempered_scores_of(const SetRows& rows, double temperature,
                             std::span<const OodScore> wanted) {
  return all_scores(rows, wanted, [&](const RowRange& range) {
    return ood_scores(range.logits(), rows.n_classes(), temperature, range.what);
  });
}

}  // namespace calsweep::analysis
