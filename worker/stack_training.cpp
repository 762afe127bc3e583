#include "worker/stack_training.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

#include "sweeps/cost.hpp"
#include "sweeps/errors.hpp"
#include "worker/epoch_metrics.hpp"
#include "worker/stack_data.hpp"
#include "worker/stage_file.hpp"

namespace calsweep::worker {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kTrainWork = 3.0;  // forward and backward, in forwards
constexpr std::int64_t kEvaluationBatch = 1000;
constexpr std::int64_t kWarmupChunk = 200;  // steps between two looks at the losses
// A subset is read every epoch; up to this size it is kept as float32.
constexpr std::int64_t kMaxNormalizedSubsetBytes = std::int64_t{160} << 20;

std::int64_t warmup_steps(const Settings& settings) {
  return settings.integer("noise_warmup.samples") / settings.integer("noise_warmup.batch_size");
}

std::string seed_range(const Stack& stack) {
  const auto first = stack.members.front().seed, last = stack.members.back().seed;
  if (first == last) return "seed " + std::to_string(first);
  return "seeds " + std::to_string(first) + "-" + std::to_string(last);
}

/// "d6 n2000 mixup seeds 0-9".
std::string describe(const Stack& stack) {
  const Settings& settings = stack.settings;
  std::string method;
  for (const auto ingredient : ingredient_names()) {
    if (!settings.has(ingredient)) continue;
    method += (method.empty() ? "" : "+") + std::string(ingredient);
  }
  return "d" + std::to_string(settings.integer("model.depth")) + " n" +
         std::to_string(resolved_train_size(settings)) + " " +
         (method.empty() ? "baseline" : method) + " " + seed_range(stack);
}

std::int64_t recorded_epochs(const Settings& settings) {
  const std::int64_t every = settings.integer("logging.epoch_every");
  return every == 0 ? 1 : settings.integer("training.epochs") / every + 2;
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

}  // namespace

double stack_work(const Stack& stack, UnitKind kind) {
  const Settings& settings = stack.settings;
  double images = 0.0;
  if (kind == UnitKind::Stage) {
    images = kTrainWork * static_cast<double>(settings.integer("noise_warmup.samples"));
  } else {
    const auto epochs = static_cast<double>(settings.integer("training.epochs"));
    const auto test = static_cast<double>(resolved_test_size(settings));
    const auto sets = static_cast<double>(settings.texts("data.ood").size());
    images = kTrainWork * epochs * static_cast<double>(resolved_train_size(settings)) +
             test * (static_cast<double>(recorded_epochs(settings)) + sets);
  }
  return images * static_cast<double>(stack.members.size());
}

double scheduled_rate(const Settings& settings, std::int64_t epoch) {
  const double rate = settings.real("training.learning_rate");
  if (settings.text("training.schedule") == "constant") return rate;
  const auto fraction =
      static_cast<double>(epoch) / static_cast<double>(settings.integer("training.epochs"));
  return rate * 0.5 * (1.0 + std::cos(std::numbers::pi * fraction));
}

StackTraining::StackTraining(const Stack& stack, DataCache& data, at::Device device,
                             WorkProgress& progress)
    : stack_(stack),
      settings_(stack.settings),
      data_(data),
      device_(device),
      progress_(progress),
      label_(describe(stack)),
      n_classes_(dataset_of(settings_).n_classes),
      network_(make_network(settings_, networks(), input_shape(settings_).pixels(), n_classes_,
                            device)) {
  for (std::size_t k = 0; k < stack.members.size(); ++k) {
    Random random = generator_for(stack.members[k], "init");
    network_->initialize(static_cast<std::int64_t>(k), random);
  }
}

void StackTraining::warm_up() {
  NoiseBatches noise(settings_, stack_.members, input_shape(settings_).pixels(), n_classes_,
                     device_);
  Trainer trainer(*network_, make_optimizer(warmup_optimizer(settings_), network_->parameters(),
                                            network_->gradients()));
  const double rate = settings_.real("noise_warmup.learning_rate");
  const std::int64_t steps = warmup_steps(settings_);
  const double work = kTrainWork * static_cast<double>(networks()) *
                      static_cast<double>(settings_.integer("noise_warmup.batch_size"));
  at::Tensor losses = at::zeros({networks()}, network_->parameters().options());
  for (std::int64_t step = 0; step < steps; ++step) {
    if (step % kWarmupChunk == 0) {
      progress_.set_doing(label_ + ", noise step " + std::to_string(step) + "/" +
                          std::to_string(steps));
    }
    trainer.step(noise.next(), rate, losses);
    progress_.advance(work);
  }
}

void StackTraining::store_stages(const RunDirectory& directory) {
  for (std::size_t k = 0; k < stack_.members.size(); ++k) {
    const StageId& stage = stack_.members[k].stage;
    write_stage(directory.stage(stage), stage, network_->state(static_cast<std::int64_t>(k)));
  }
}

void StackTraining::load_stages(const RunDirectory& directory) {
  std::string problem;
  for (std::size_t k = 0; k < stack_.members.size(); ++k) {
    const StageId& stage = stack_.members[k].stage;
    if (stage.is_zero() && !settings_.has("noise_warmup")) continue;
    if (stage.is_zero()) {
      throw CalsweepError("trial " + stack_.members[k].trial.str() +
                          " has a noise warm-up but names no stage to start from");
    }
    const fs::path file = directory.stage(stage);
    try {
      read_stage(file, stage, network_->state(static_cast<std::int64_t>(k)));
    } catch (const FormatError& error) {
      // Out of the way, so that the next run trains the warm-up again instead of finding it
      // "there".
      const fs::path moved = directory.quarantine_file(file);
      problem = std::string(error.what()) + "; it is now " + moved.string() +
                ", and the same command trains its warm-up again";
    }
  }
  if (!problem.empty()) throw FormatError(problem);
}

TaskBatches StackTraining::make_batches() {
  train_ = &training_split(settings_, data_);
  const std::int64_t n_images = train_->images.count();
  std::vector<std::vector<std::int64_t>> rows;
  for (const auto& member : stack_.members) {
    const bool same = !rows.empty() && settings_.text("data.subset") == "shared";
    rows.push_back(same ? rows.front() : training_rows(settings_, member.seed, n_images));
  }
  subset_ = train_->images;
  subset_labels_ = train_->labels;
  if (settings_.text("data.subset") == "shared") {
    subset_ = subset_.select(index_tensor(rows.front(), device_));
    for (std::size_t i = 0; i < rows.front().size(); ++i) {
      subset_labels_[i] = train_->labels[static_cast<std::size_t>(rows.front()[i])];
    }
    for (auto& own : rows) {
      for (std::size_t i = 0; i < own.size(); ++i) own[i] = static_cast<std::int64_t>(i);
    }
  }
  subset_.normalize_ahead(kMaxNormalizedSubsetBytes);
  BatchOrder order(std::move(rows), stack_.members, settings_.integer("training.batch_size"),
                   settings_.boolean("training.drop_last"));
  if (order.steps() == 0) {
    throw FormatError("training.drop_last leaves no batch: training.batch_size = " +
                      std::to_string(settings_.integer("training.batch_size")) +
                      " is more than the training images");
  }
  return {subset_, subset_labels_, n_classes_, std::move(order),
          make_ingredients(settings_, stack_.members, device_)};
}

bool StackTraining::all_diverged() const {
  return std::all_of(records_.begin(), records_.end(), [](const TrialRecord& record) {
    return record.outcome == TrialOutcome::Diverged;
  });
}

void StackTraining::note_divergence(const at::Tensor& losses,
                                    const std::vector<std::int64_t>& sizes,
                                    std::vector<double>& means) {
  const at::Tensor host = losses.to(at::kCPU).contiguous();  // [steps, K]; waits for the device
  const float* loss = host.data_ptr<float>();
  double images = 0.0;
  for (std::size_t step = 0; step < sizes.size(); ++step) {
    const auto size = static_cast<double>(sizes[step]);
    images += size;
    for (std::size_t k = 0; k < records_.size(); ++k) {
      const auto value = static_cast<double>(loss[step * records_.size() + k]);
      means[k] += value * size;
      if (std::isfinite(value) || records_[k].outcome == TrialOutcome::Diverged) continue;
      records_[k].outcome = TrialOutcome::Diverged;
      records_[k].diverged_step = steps_done_ + static_cast<std::int64_t>(step) + 1;
    }
  }
  for (double& mean : means) mean /= images;
  steps_done_ += static_cast<std::int64_t>(sizes.size());
}

std::vector<double> StackTraining::train_epoch(Trainer& trainer, TaskBatches& batches,
                                               double rate) {
  const EpochOrder& epoch = batches.begin_epoch();
  at::Tensor losses = at::zeros({epoch.steps(), networks()}, network_->parameters().options());
  for (std::int64_t step = 0; step < epoch.steps(); ++step) {
    trainer.step(batches.next(), rate, losses[step]);
    const std::int64_t images = epoch.batch_sizes[static_cast<std::size_t>(step)] * networks();
    progress_.advance(kTrainWork * static_cast<double>(images));
  }
  std::vector<double> means(records_.size(), 0.0);
  note_divergence(losses, epoch.batch_sizes, means);
  return means;
}

StackTraining::HostLogits StackTraining::evaluate(const PixelSource& images, std::int64_t n) {
  at::Tensor all = at::empty({n, networks(), n_classes_}, network_->parameters().options());
  for (std::int64_t begin = 0; begin < n; begin += kEvaluationBatch) {
    const std::int64_t size = std::min(kEvaluationBatch, n - begin);
    all.narrow(0, begin, size).copy_(network_->evaluate(images.slice(begin, size)));
    progress_.advance(static_cast<double>(size * networks()));
  }
  const at::Tensor host = all.transpose(0, 1).to(at::kCPU).contiguous();
  const float* logits = host.data_ptr<float>();
  HostLogits result;
  for (std::int64_t k = 0; k < networks(); ++k) {
    result.emplace_back(logits + k * n * n_classes_, logits + (k + 1) * n * n_classes_);
  }
  return result;
}

bool StackTraining::is_due(std::int64_t epoch) const {
  const std::int64_t every = settings_.integer("logging.epoch_every");
  if (epoch == settings_.integer("training.epochs")) return true;
  return every > 0 && epoch % every == 0;
}

void StackTraining::record_epoch(std::int64_t epoch, const std::vector<double>& train_losses) {
  const LoadedSplit& test = test_split(settings_, data_);
  const std::int64_t n = test_count(settings_, test);
  test_logits_ = evaluate(test.images, n);
  const std::span labels(test.labels.data(), static_cast<std::size_t>(n));
  for (std::size_t k = 0; k < records_.size(); ++k) {
    if (records_[k].outcome == TrialOutcome::Diverged) continue;
    const EpochMetrics metrics = epoch_metrics(test_logits_[k], labels, n_classes_);
    records_[k].epochs.push_back({epoch, train_losses[k], metrics.accuracy, metrics.nll,
                                  metrics.confidence, metrics.ece_guo2017, metrics.ece_noise2026});
  }
}

void StackTraining::add_logits(const std::string& name, HostLogits logits) {
  for (std::size_t k = 0; k < records_.size(); ++k) {
    TrialRecord& record = records_[k];
    if (record.outcome == TrialOutcome::Diverged) continue;
    if (all_finite(logits[k])) {
      record.logits.push_back({name, std::move(logits[k])});
      continue;
    }
    record.outcome = TrialOutcome::Diverged;
    record.diverged_step = steps_done_;
  }
}

void StackTraining::log_final_logits() {
  add_logits("test", std::move(test_logits_));
  if (settings_.integer("data.validation_size") > 0) {
    const auto rows = validation_rows(settings_, train_->images.count());
    const PixelSource held_out = train_->images.select(index_tensor(rows, device_));
    add_logits("validation", evaluate(held_out, held_out.count()));
  }
  for (const auto& entry : settings_.texts("data.ood")) {
    const LoadedSplit& ood = ood_split(settings_, entry, data_);
    const std::int64_t n = ood_count(settings_, ood);
    add_logits("ood/" + entry, evaluate(ood.images, n));
  }
}

std::vector<TrialRecord> StackTraining::train() {
  const auto started = Clock::now();
  for (const auto& member : stack_.members) {
    TrialRecord record;
    record.id = member.trial;
    record.settings = settings_.canonical();
    record.seed = member.seed;
    record.member = member.member;
    record.fused_width = networks();
    records_.push_back(std::move(record));
  }
  TaskBatches batches = make_batches();
  Trainer trainer(*network_, make_optimizer(task_optimizer(settings_), network_->parameters(),
                                            network_->gradients()));
  const std::int64_t epochs = settings_.integer("training.epochs");
  const std::string of_all = "/" + std::to_string(epochs);
  progress_.set_doing(label_);
  if (is_due(0)) record_epoch(0, std::vector<double>(records_.size(), std::nan("")));
  for (std::int64_t epoch = 1; epoch <= epochs && !all_diverged(); ++epoch) {
    progress_.set_doing(label_ + ", epoch " + std::to_string(epoch) + of_all);
    const auto losses = train_epoch(trainer, batches, scheduled_rate(settings_, epoch - 1));
    if (is_due(epoch)) record_epoch(epoch, losses);
  }
  if (!all_diverged()) log_final_logits();
  const std::chrono::duration<double> seconds = Clock::now() - started;
  for (auto& record : records_) {
    record.train_seconds = seconds.count() / static_cast<double>(networks());
    if (record.outcome == TrialOutcome::Diverged) record.logits.clear();
  }
  return std::move(records_);
}

}  // namespace calsweep::worker
