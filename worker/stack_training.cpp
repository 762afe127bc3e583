#include "worker/stack_training.hpp"

#include <algorithm>
#include <cmath>

#include "sweeps/errors.hpp"
#include "worker/stack_data.hpp"

namespace calsweep::worker {
namespace {

constexpr std::int64_t kEvaluationBatch = 1000;
// A subset is read every epoch; up to this size it is kept as float32.
constexpr std::int64_t kMaxNormalizedSubsetBytes = std::int64_t{160} << 20;

}  // namespace

StackTraining::StackTraining(const Stack& stack, DataCache& data, at::Device device,
                             WorkProgress& progress, UnitCheckpoints* checkpoints)
    : stack_(stack),
      settings_(stack.settings),
      data_(data),
      device_(device),
      progress_(progress),
      checkpoints_(checkpoints),
      label_(describe(stack)),
      n_classes_(dataset_of(settings_).n_classes),
      network_(
          make_network(settings_, networks(), input_shape(settings_).pixels(), n_classes_, device)),
      records_(stack) {
  for (std::size_t k = 0; k < stack.members.size(); ++k) {
    Random random = generator_for(stack.members[k], "init");
    network_->initialize(static_cast<std::int64_t>(k), random);
  }
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

StackTraining::Task StackTraining::make_task() {
  TaskBatches batches = make_batches();
  const std::int64_t steps = batches.steps();
  Trainer trainer(*network_, make_optimizer(task_optimizer(settings_), network_->parameters(),
                                            network_->gradients()));
  return {std::move(batches), std::move(trainer),
          at::zeros({steps, networks()}, network_->parameters().options())};
}

void StackTraining::visit_network(StateVisitor& visitor) {
  for (std::int64_t k = 0; k < networks(); ++k) {
    const std::string prefix = "network" + std::to_string(k) + "_";
    for (const auto& [name, value] : network_->state(k)) visitor.tensor(prefix + name, value);
  }
}

void StackTraining::visit_task(StateVisitor& visitor, Task& task) {
  visitor.integer("epoch", task.epoch);
  visitor.integer("step", task.step);
  visit_network(visitor);
  task.trainer.visit_state(visitor);
  task.batches.visit_state(visitor);
  visitor.tensor("epoch_losses", task.losses);
  records_.visit_state(visitor, task.epoch, task.steps_before());
  double seconds = std::chrono::duration<double>(Clock::now() - task.started).count();
  visitor.real("seconds", seconds);
  if (!visitor.restoring()) return;
  task.started = Clock::now() - std::chrono::duration_cast<Clock::duration>(
                                    std::chrono::duration<double>(seconds));
}

bool StackTraining::resume_task(Task& task) {
  if (checkpoints_ == nullptr || checkpoints_->in_training() == nullptr) return false;
  checkpoints_->in_training()->restore([&](StateVisitor& v) { visit_task(v, task); });
  if (task.epoch < 1 || task.step < 1 || task.step > task.losses.size(0)) {
    throw UnfitCheckpoint("has an unexpected step");
  }
  task.batches.begin_epoch();
  task.batches.skip_to(task.step);
  work_ = checkpoints_->in_training()->work();
  checkpoints_->resumed("epoch " + std::to_string(task.epoch) + ", step " +
                        std::to_string(task.step));
  return true;
}

void StackTraining::train_epoch(Task& task) {
  if (task.step == 0) {
    task.batches.begin_epoch();
    task.losses.zero_();
  }
  const EpochOrder& epoch = task.batches.epoch();
  const double rate = scheduled_rate(settings_, task.epoch - 1);
  while (task.step < epoch.steps()) {
    task.trainer.step(task.batches.next(), rate, task.losses[task.step]);
    const std::int64_t images = epoch.batch_sizes[static_cast<std::size_t>(task.step)] * networks();
    ++task.step;
    const double work = kTrainWork * static_cast<double>(images);
    work_ += work;
    progress_.advance(work);
    if (checkpoints_ != nullptr) checkpoints_->at_boundary(save_task_, work_);
  }
}

std::vector<double> StackTraining::end_epoch(Task& task) {
  const at::Tensor host = task.losses.to(at::kCPU).contiguous();  // waits for the device
  return records_.end_epoch({host.data_ptr<float>(), static_cast<std::size_t>(host.numel())},
                            task.batches.epoch().batch_sizes, task.steps_before());
}

HostLogits StackTraining::evaluate(const PixelSource& images, std::int64_t n) {
  at::Tensor all = at::empty({n, networks(), n_classes_}, network_->parameters().options());
  for (std::int64_t begin = 0; begin < n; begin += kEvaluationBatch) {
    const std::int64_t size = std::min(kEvaluationBatch, n - begin);
    all.narrow(0, begin, size).copy_(network_->evaluate(images.slice(begin, size)));
    progress_.advance(static_cast<double>(size * networks()));
    if (checkpoints_ != nullptr) checkpoints_->while_evaluating(save_task_, work_);
  }
  const at::Tensor host = all.transpose(0, 1).to(at::kCPU).contiguous();
  const float* logits = host.data_ptr<float>();
  HostLogits result;
  for (std::int64_t k = 0; k < networks(); ++k) {
    result.emplace_back(logits + k * n * n_classes_, logits + (k + 1) * n * n_classes_);
  }
  return result;
}

void StackTraining::record_epoch(std::int64_t epoch, const std::vector<double>& train_losses) {
  const LoadedSplit& test = test_split(settings_, data_);
  const std::int64_t n = test_count(settings_, test);
  test_logits_ = evaluate(test.images, n);
  const std::span labels(test.labels.data(), static_cast<std::size_t>(n));
  records_.add_epoch(epoch, train_losses, test_logits_, labels, n_classes_);
}

void StackTraining::log_final_logits(std::int64_t steps_done) {
  records_.add_logits("test", std::move(test_logits_), steps_done);
  if (settings_.integer("data.validation_size") > 0) {
    const auto rows = validation_rows(settings_, train_->images.count());
    const PixelSource held_out = train_->images.select(index_tensor(rows, device_));
    records_.add_logits("validation", evaluate(held_out, held_out.count()), steps_done);
  }
  for (const auto& entry : settings_.texts("data.ood")) {
    const LoadedSplit& ood = ood_split(settings_, entry, data_);
    const std::int64_t n = ood_count(settings_, ood);
    records_.add_logits("ood/" + entry, evaluate(ood.images, n), steps_done);
  }
}

std::vector<TrialRecord> StackTraining::train() {
  Task task = make_task();
  progress_.set_doing(label_);
  const std::int64_t epochs = settings_.integer("training.epochs");
  const std::string of_all = "/" + std::to_string(epochs);
  if (!resume_task(task) && epoch_is_recorded(settings_, 0)) {
    record_epoch(0, std::vector<double>(stack_.members.size(), std::nan("")));
  }
  save_task_ = [&](StateVisitor& visitor) { visit_task(visitor, task); };
  for (;; ++task.epoch, task.step = 0) {
    progress_.set_doing(label_ + ", epoch " + std::to_string(task.epoch) + of_all);
    train_epoch(task);
    const auto losses = end_epoch(task);
    if (epoch_is_recorded(settings_, task.epoch)) record_epoch(task.epoch, losses);
    if (task.epoch == epochs || records_.all_diverged()) break;
  }
  if (!records_.all_diverged()) log_final_logits(task.steps_before() + task.step);
  save_task_ = {};
  return records_.finish(std::chrono::duration<double>(Clock::now() - task.started).count());
}

}  // namespace calsweep::worker
