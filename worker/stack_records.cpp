#include "worker/stack_records.hpp"

#include <algorithm>
#include <cmath>

#include "sweeps/errors.hpp"
#include "worker/epoch_metrics.hpp"

namespace calsweep::worker {
namespace {

constexpr std::size_t kRowValues = 7;

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

void visit_epochs(StateVisitor& visitor, const std::string& name, std::vector<EpochRecord>& rows) {
  std::vector<double> flat;
  for (const auto& row : rows) {
    flat.insert(flat.end(),
                {static_cast<double>(row.epoch), row.train_loss, row.test_accuracy, row.test_nll,
                 row.test_confidence, row.test_ece_guo2017, row.test_ece_noise2026});
  }
  visitor.values(name, flat);
  if (!visitor.restoring()) return;
  if (flat.size() % kRowValues != 0) throw FormatError("has an unexpected " + name);
  rows.clear();
  for (std::size_t i = 0; i < flat.size(); i += kRowValues) {
    rows.push_back({static_cast<std::int64_t>(flat[i]), flat[i + 1], flat[i + 2], flat[i + 3],
                    flat[i + 4], flat[i + 5], flat[i + 6]});
  }
}

/// Outcome and epochs of each.
void visit_rows(StateVisitor& visitor, std::vector<TrialRecord>& records) {
  for (std::size_t k = 0; k < records.size(); ++k) {
    const std::string prefix = "trial" + std::to_string(k) + "_";
    TrialRecord& record = records[k];
    visitor.integer(prefix + "diverged_step", record.diverged_step);
    record.outcome = record.diverged_step >= 0 ? TrialOutcome::Diverged : TrialOutcome::Completed;
    visit_epochs(visitor, prefix + "epochs", record.epochs);
  }
}

void visit_logits(StateVisitor& visitor, const std::string& prefix, std::vector<LogitSet>& sets) {
  auto n_sets = static_cast<std::int64_t>(sets.size());
  visitor.integer(prefix + "logit_sets", n_sets);
  if (n_sets < 0 || n_sets > 10000) throw FormatError("has an unexpected number of logit sets");
  sets.resize(static_cast<std::size_t>(n_sets));
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const std::string name = prefix + "logits" + std::to_string(i);
    visitor.text(name + "_name", sets[i].name);
    visitor.values(name, sets[i].logits);
  }
}

}  // namespace

std::vector<TrialRecord> blank_records(const Stack& stack) {
  std::vector<TrialRecord> records;
  for (const auto& member : stack.members) {
    TrialRecord record;
    record.id = member.trial;
    record.settings = stack.settings.canonical();
    record.seed = member.seed;
    record.member = member.member;
    record.fused_width = static_cast<std::int64_t>(stack.members.size());
    records.push_back(std::move(record));
  }
  return records;
}

void visit_finished(StateVisitor& visitor, std::vector<TrialRecord>& records) {
  visit_rows(visitor, records);
  for (std::size_t k = 0; k < records.size(); ++k) {
    const std::string prefix = "trial" + std::to_string(k) + "_";
    visitor.real(prefix + "train_seconds", records[k].train_seconds);
    visit_logits(visitor, prefix, records[k].logits);
  }
}

StackRecords::StackRecords(const Stack& stack) : records_(blank_records(stack)) {}

bool StackRecords::all_diverged() const {
  return std::all_of(records_.begin(), records_.end(), [](const TrialRecord& record) {
    return record.outcome == TrialOutcome::Diverged;
  });
}

std::vector<double> StackRecords::end_epoch(std::span<const float> losses,
                                            const std::vector<std::int64_t>& sizes,
                                            std::int64_t steps_before) {
  std::vector<double> means(records_.size(), 0.0);
  double images = 0.0;
  for (std::size_t step = 0; step < sizes.size(); ++step) {
    const auto size = static_cast<double>(sizes[step]);
    images += size;
    for (std::size_t k = 0; k < records_.size(); ++k) {
      const auto value = static_cast<double>(losses[step * records_.size() + k]);
      means[k] += value * size;
      if (std::isfinite(value) || records_[k].outcome == TrialOutcome::Diverged) continue;
      records_[k].outcome = TrialOutcome::Diverged;
      records_[k].diverged_step = steps_before + static_cast<std::int64_t>(step) + 1;
    }
  }
  for (double& mean : means) mean /= images;
  return means;
}

void StackRecords::add_epoch(std::int64_t epoch, const std::vector<double>& train_losses,
                             const HostLogits& test_logits, std::span<const std::int32_t> labels,
                             std::int64_t n_classes) {
  for (std::size_t k = 0; k < records_.size(); ++k) {
    if (records_[k].outcome == TrialOutcome::Diverged) continue;
    const EpochMetrics metrics = epoch_metrics(test_logits[k], labels, n_classes);
    records_[k].epochs.push_back({epoch, train_losses[k], metrics.accuracy, metrics.nll,
                                  metrics.confidence, metrics.ece_guo2017, metrics.ece_noise2026});
  }
}

void StackRecords::add_logits(const std::string& name, HostLogits logits, std::int64_t steps_done) {
  for (std::size_t k = 0; k < records_.size(); ++k) {
    TrialRecord& record = records_[k];
    if (record.outcome == TrialOutcome::Diverged) continue;
    if (all_finite(logits[k])) {
      record.logits.push_back({name, std::move(logits[k])});
      continue;
    }
    record.outcome = TrialOutcome::Diverged;
    record.diverged_step = steps_done;
  }
}

std::vector<TrialRecord> StackRecords::finish(double seconds) {
  for (auto& record : records_) {
    record.train_seconds = seconds / static_cast<double>(records_.size());
    if (record.outcome == TrialOutcome::Diverged) record.logits.clear();
  }
  return std::move(records_);
}

void StackRecords::visit_state(StateVisitor& visitor, std::int64_t epoch,
                               std::int64_t steps_before) {
  std::vector<TrialRecord> before = records_;
  for (auto& record : before) {
    record.logits.clear();
    std::erase_if(record.epochs, [&](const EpochRecord& row) { return row.epoch >= epoch; });
    if (record.diverged_step > steps_before) record.diverged_step = -1;
  }
  visit_rows(visitor, before);
  if (visitor.restoring()) records_ = std::move(before);
}

}  // namespace calsweep::worker
