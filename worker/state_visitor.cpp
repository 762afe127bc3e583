#include "worker/state_visitor.hpp"

#include <bit>

namespace calsweep::worker {

void StateVisitor::real(const std::string& name, double& value) {
  at::Tensor stored = at::empty({}, at::TensorOptions().dtype(at::kDouble));
  *stored.data_ptr<double>() = value;
  tensor(name, stored);
  value = *stored.data_ptr<double>();
}

void StateVisitor::random(const std::string& name, Random& generator) {
  Random::State state = generator.state();
  const auto words = static_cast<std::int64_t>(state.size());
  at::Tensor stored = at::empty({words}, at::TensorOptions().dtype(at::kLong));
  for (std::size_t i = 0; i < state.size(); ++i) {
    stored.data_ptr<std::int64_t>()[i] = std::bit_cast<std::int64_t>(state[i]);
  }
  tensor(name, stored);
  for (std::size_t i = 0; i < state.size(); ++i) {
    state[i] = std::bit_cast<std::uint64_t>(stored.data_ptr<std::int64_t>()[i]);
  }
  if (restoring()) generator.set_state(state);
}

void StateVisitor::generator(const std::string& name, at::Generator& generator) {
  const at::Tensor state = generator.get_state().clone();
  tensor(name, state);
  if (restoring()) generator.set_state(state);
}

void StateVisitor::randoms(const std::string& name, std::vector<Random>& generators) {
  for (std::size_t k = 0; k < generators.size(); ++k) {
    random(name + std::to_string(k), generators[k]);
  }
}

}  // namespace calsweep::worker
