#include "sweeps/trainer_protocol.hpp"

#include <gtest/gtest.h>

#include "sweeps/errors.hpp"

namespace calsweep {
namespace {

TEST(TrainerProtocolTest, every_reply_travels) {
  const UnitId unit = UnitId::of("u");
  const std::vector<TrainerReply> replies = {
      TrainerHello{"cpu", "2.13"}, TrainerProgress{unit, 1, 3, 0.25, "d2 \"quoted\"\n"},
      TrainerDone{unit, Attempt{7}, "sum", 123, 4.5, 0.25, {TrialId::of("t")}},
      TrainerStopped{unit, Attempt{7}, 0.5},
      TrainerFailed{unit, Attempt{8}, FailureKind::OutOfMemory, "bytes \xff here"}};
  for (const auto& reply : replies) {
    const std::string line = encode(reply);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(encode(decode_trainer_reply(line)), line);
    EXPECT_EQ(decode_trainer_reply(line).index(), reply.index());
  }
}

TEST(TrainerProtocolTest, garbage_is_refused) {
  for (const char* line : {"", "{}", "{\"type\":\"done\"}", "{\"type\":\"what\"}", "[1,2]",
                           "{\"type\":\"failed\",\"unit\":\"zz\",\"attempt\":1,\"kind\":\"data\","
                           "\"message\":\"\"}"}) {
    EXPECT_THROW(decode_trainer_reply(line), FormatError) << line;
  }
  EXPECT_THROW(decode_train_command("{\"type\":\"train\"}"), FormatError);
}

}  // namespace
}  // namespace calsweep
