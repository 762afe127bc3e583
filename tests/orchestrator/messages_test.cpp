#include "orchestrator/messages.hpp"

#include <gtest/gtest.h>

#include "sweeps/errors.hpp"

namespace calsweep::orchestrator {
namespace {

const AgentId kAgent{3};
const SlotId kSlot{kAgent, 2};

template <class Wanted>
Wanted round_trip(const Event& event) {
  const auto messages = decode_from_agent(kAgent, encode(event));
  return std::get<Wanted>(std::get<Event>(messages.at(0)));
}

TEST(MessagesTest, hello_round_trip) {
  const auto messages =
      decode_from_agent(kAgent, encode(Hello{1, "0.1", "host", 77, 4, "cuda", "none"}));
  const auto hello = std::get<Hello>(messages.at(0));
  EXPECT_EQ(hello.wire_version, 1);
  EXPECT_EQ(hello.calsweep_version, "0.1");
  EXPECT_EQ(hello.host, "host");
  EXPECT_EQ(hello.pid, 77);
  EXPECT_EQ(hello.n_slots, 4);
  EXPECT_EQ(hello.device, "cuda");
  EXPECT_EQ(hello.problem, "none");
}

TEST(MessagesTest, done_round_trip_takes_the_agent_from_the_transport) {
  const auto done = round_trip<UnitDone>(UnitDone{{AgentId{99}, 2},
                                                  UnitId::of("u"),
                                                  Attempt{8},
                                                  "sum",
                                                  1LL << 40,
                                                  0.25,
                                                  0.5,
                                                  {TrialId::of("a"), TrialId::of("b")}});
  EXPECT_EQ(done.slot, kSlot);
  EXPECT_EQ(done.unit, UnitId::of("u"));
  EXPECT_EQ(number(done.attempt), 8);
  EXPECT_EQ(done.checksum, "sum");
  EXPECT_EQ(done.bytes, 1LL << 40);
  EXPECT_EQ(done.seconds, 0.25);
  EXPECT_EQ(done.resumed_at, 0.5);
  EXPECT_EQ(done.diverged, (std::vector<TrialId>{TrialId::of("a"), TrialId::of("b")}));
}

TEST(MessagesTest, failed_round_trip_survives_quotes_newlines_and_broken_utf8) {
  const auto failed = round_trip<UnitFailed>(UnitFailed{
      kSlot, UnitId::of("u"), Attempt{1}, FailureKind::OutOfMemory, "\"x\"\n", "bytes \xff end"});
  EXPECT_EQ(failed.kind, FailureKind::OutOfMemory);
  EXPECT_EQ(failed.cause, "\"x\"\n");
  EXPECT_EQ(failed.message, "bytes \xEF\xBF\xBD end");  // U+FFFD, the replacement character
}

TEST(MessagesTest, other_events_round_trip) {
  EXPECT_EQ(
      round_trip<UnitProgress>(UnitProgress{kSlot, UnitId::of("u"), Attempt{1}, 0.5, "epoch 3"})
          .doing,
      "epoch 3");
  EXPECT_EQ(
      round_trip<UnitStopped>(UnitStopped{kSlot, UnitId::of("u"), Attempt{1}, 0.75}).fraction, 0.75);
  EXPECT_EQ(round_trip<SlotReady>(SlotReady{kSlot, "cuda NVIDIA H200"}).device, "cuda NVIDIA H200");
  EXPECT_EQ(round_trip<SlotUnusable>(SlotUnusable{kSlot, "gone"}).message, "gone");
  EXPECT_EQ(round_trip<AgentAlive>(AgentAlive{kAgent}).agent, kAgent);
}

TEST(MessagesTest, commands_round_trip_in_one_text) {
  std::string text =
      encode(ToAgent(Welcome{"/run", "/trainer", "root", "{\"a\": 1}", 9.5, 30.0, 3, true}));
  text += encode(ToAgent(Assign{1, UnitId::of("u"), Attempt{4}, "{\"work\": [1, 2]}"}));
  text += encode(ToAgent(Cancel{1, UnitId::of("u"), Attempt{4}}));
  text += encode(ToAgent(Reset{})) + encode(ToAgent(Alive{})) + encode(ToAgent(Goodbye{}));
  const auto messages = decode_to_agent(text);
  ASSERT_EQ(messages.size(), 6U);
  const auto& welcome = std::get<Welcome>(messages[0]);
  EXPECT_EQ(welcome.run_directory, "/run");
  EXPECT_EQ(welcome.inventory, "{\"a\": 1}");
  EXPECT_EQ(welcome.heartbeat_seconds, 9.5);
  EXPECT_EQ(welcome.checkpoint_seconds, 30.0);
  EXPECT_EQ(welcome.threads, 3);
  EXPECT_TRUE(welcome.no_op);
  const auto& assign = std::get<Assign>(messages[1]);
  EXPECT_EQ(assign.slot, 1);
  EXPECT_EQ(assign.work, "{\"work\": [1, 2]}");
  EXPECT_EQ(number(std::get<Cancel>(messages[2]).attempt), 4);
  EXPECT_TRUE(std::holds_alternative<Reset>(messages[3]));
  EXPECT_TRUE(std::holds_alternative<Alive>(messages[4]));
  EXPECT_TRUE(std::holds_alternative<Goodbye>(messages[5]));
}

TEST(MessagesTest, nonsense_is_a_format_error) {
  for (const char* text :
       {"x\n", "{}\n", "{\"t\":\"dance\"}\n", "{\"t\":\"done\",\"slot\":0}\n", "{\"t\":\"alive\"}",
        "[1]\n", "{\"t\":1}\n", "{\"t\":\"cancel\",\"slot\":0,\"unit\":\"zz\",\"attempt\":1}\n",
        "{\"t\":\"assign\",\"slot\":0,\"unit\":\"00000000000000000000\","
        "\"attempt\":1}\n"}) {
    EXPECT_THROW(decode_to_agent(text), FormatError) << text;
  }
  for (const char* text : {"x\n", "{\"t\":\"dance\",\"slot\":0}\n", "{\"t\":\"done\",\"slot\":0}\n",
                           "{\"t\":\"progress\",\"slot\":\"0\"}\n"}) {
    EXPECT_THROW(decode_from_agent(kAgent, text), FormatError) << text;
  }
}

}  // namespace
}  // namespace calsweep::orchestrator
