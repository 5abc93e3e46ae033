// The loop between front ends, core and storage, with turns taken one at a time.
#include "server/shard_loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "net/net_test_util.h"
#include "storage/engine_options.h"

namespace gyre {
namespace {

// The memory engine, or one like a disk: nothing at hand, a write is over some polls later.
class TestEngine final : public Engine {
 public:
  TestEngine(std::uint16_t shards, int polls_a_write)
      : memory_(OpenMemoryEngine({.session_count = shards})), polls_a_write_(polls_a_write) {}

  std::unique_ptr<EngineSession> OpenSession(std::function<void()> wake) override {
    auto session = memory_->OpenSession(wake);
    if (polls_a_write_ == 0) return session;
    return std::make_unique<SlowSession>(std::move(session), polls_a_write_, std::move(wake));
  }
  Result<std::optional<std::string>> GetMeta(const std::string& name) override {
    return memory_->GetMeta(name);
  }
  Status PutMeta(const std::string& name, const std::string& value) override {
    return memory_->PutMeta(name, value);
  }
  Result<std::vector<LeafSum>> LoadLeaves() override { return memory_->LoadLeaves(); }
  EngineStats Stats() const override { return memory_->Stats(); }
  Status Close() override { return memory_->Close(); }

 private:
  class SlowSession final : public EngineSession {
   public:
    SlowSession(std::unique_ptr<EngineSession> memory, int polls_a_write,
                std::function<void()> wake)
        : memory_(std::move(memory)), polls_a_write_(polls_a_write), wake_(std::move(wake)) {}

    std::optional<Result<std::optional<Row>>> Read(RequestId id, const RowKey& key) override {
      return memory_->Read(id, key);
    }
    std::optional<Result<std::optional<Row>>> ReadAtHand(const RowKey&) override {
      return std::nullopt;
    }
    bool WritesAtHand() const override { return false; }
    void WriteAtHand(const RowKey&, const Row&) override { GYRE_CHECK(false); }
    void RemoveAtHand(const RowKey&) override { GYRE_CHECK(false); }
    void Write(WriteRequest write) override { memory_->Write(std::move(write)); }
    void Flush() override {}
    void Scan(RequestId id, const ScanRange& range) override { memory_->Scan(id, range); }
    void Poll(std::vector<Completion>& out) override {
      std::vector<Completion> fresh;
      memory_->Poll(fresh);
      for (Completion& done : fresh) waiting_.push_back({polls_a_write_, std::move(done)});
      for (auto& [polls, done] : waiting_) {
        if (--polls == 0) out.push_back(std::move(done));
      }
      std::erase_if(waiting_, [](const auto& each) { return each.first == 0; });
      if (!waiting_.empty()) wake_();
    }

   private:
    const std::unique_ptr<EngineSession> memory_;
    const int polls_a_write_;
    const std::function<void()> wake_;
    std::vector<std::pair<int, Completion>> waiting_;
  };

  const std::unique_ptr<Engine> memory_;
  const int polls_a_write_;
};

class ShardLoopTest : public ::testing::Test {
 protected:
  void Start(std::uint16_t shards, int polls_a_write) {
    config_.shards = shards;
    ASSERT_TRUE(FinishConfig(config_).has_value());
    const ClusterViewPtr view = MakeClusterView(config_).value();
    engine_ = std::make_unique<TestEngine>(shards, polls_a_write);
    board_ = std::make_unique<StatsBoard>(shards);
    const NodeId self = NodeIdOf(config_.node_name);
    std::vector<ShardLoop*> siblings;
    for (std::uint16_t i = 0; i < shards; ++i) {
      ShardLoop::Options options;
      options.config = &config_;
      options.view = view;
      options.shard = {self, ShardId(i), shards, ActorId(i + 1u), 1, i, config_.core};
      options.engine = engine_.get();
      options.board = board_.get();
      options.log = &log_;
      options.cluster_command_max = command_max_;
      PeerLinksOptions links;
      links.cluster = "test";
      links.self = self;
      links.shard = ShardId(i);
      links.shard_count = shards;
      loops_.push_back(ShardLoop::Create(std::move(options), std::move(links)).value());
      siblings.push_back(loops_.back().get());
    }
    for (auto& loop : loops_) {
      loop->SetSiblings(siblings);
      loop->Begin();
    }
  }
  ShardLoop& loop(std::size_t i = 0) { return *loops_[i]; }
  // Runs `task` in a turn of its own.
  void InTurn(std::function<void()> task) {
    loop().reactor().Post(std::move(task));
    loop().reactor().RunOnce(Duration());
  }
  static PutRequest Put(const std::string& key, const std::string& value) {
    WriteValue write;
    write.value = Bytes(value);
    write.checksum = Xxh3_64(value);
    return {.key = {KeyspaceId(0), Token(), Bytes(key)}, .mutation = write};
  }
  static GetRequest Get(const std::string& key) {
    return {{KeyspaceId(0), Token(), Bytes(key)}, {}};
  }

  // Keeps the values of gets, and may ask on.
  class Sink final : public ResultSink {
   public:
    void OnResult(std::uint64_t tag, ClientResult&& result) override {
      ASSERT_TRUE(result.has_value()) << result.error().message;
      order.push_back(tag);
      if (const auto* get = std::get_if<GetOutcome>(&*result)) {
        const Sibling* newest = get->record.NewestLive({1});
        values[tag] = newest == nullptr ? "" : newest->value.ToString();
      }
      if (then) then(tag);
    }
    std::vector<std::uint64_t> order;
    std::map<std::uint64_t, std::string> values;
    std::function<void(std::uint64_t)> then;
  };

  struct NoLog final : Log {
    void Write(LogLevel, std::string_view, std::string_view,
               std::initializer_list<LogField>) override {}
  };
  NoLog log_;
  Duration command_max_ = kClusterCommandMax;
  ServerConfig config_;
  std::unique_ptr<TestEngine> engine_;
  std::unique_ptr<StatsBoard> board_;
  std::vector<std::unique_ptr<ShardLoop>> loops_;
};

// Goal: what needs no waiting is answered within its turn, in the order asked, however few or many
// are gathered.
TEST_F(ShardLoopTest, AnswersWithinTheTurn) {
  Start(/*shards=*/1, /*polls_a_write=*/0);
  for (const std::uint64_t count : {1u, 5u, 16u, 17u, 100u}) {
    Sink sink;
    InTurn([&] {
      for (std::uint64_t i = 0; i < count; ++i) {
        loop().Submit(Put("k" + std::to_string(i), "v" + std::to_string(i)), &sink, i);
        loop().Submit(Get("k" + std::to_string(i)), &sink, 1000 + i);
      }
    });
    ASSERT_EQ(sink.order.size(), 2 * count);
    for (std::uint64_t i = 0; i < count; ++i) {
      EXPECT_EQ(sink.order[2 * i], i);
      EXPECT_EQ(sink.values.at(1000 + i), "v" + std::to_string(i));
    }
  }
}

// Goal: who asks on when answered is answered too, in the same turn: the next may be far away.
TEST_F(ShardLoopTest, AnswersWhoAsksOnWithinTheTurn) {
  Start(1, 0);
  Sink sink;
  sink.then = [&](std::uint64_t tag) {
    if (tag < 100) loop().Submit(Put("k", std::to_string(tag)), &sink, tag + 1);
  };
  InTurn([&] { loop().Submit(Put("k", "first"), &sink, 0); });
  EXPECT_EQ(sink.order.size(), 101u);
}

// Goal: the same with storage that answers through Poll: a request made by who got its answer from
// the last poll of a turn is handed to storage in that turn, not left for a turn that may not come.
TEST_F(ShardLoopTest, WhatIsAskedAtTheEndOfATurnIsCarriedOut) {
  for (const int polls : {1, 2, 3}) {
    loops_.clear();
    Start(1, polls);
    Sink sink;
    sink.then = [&](std::uint64_t tag) {
      if (tag < 20) loop().Submit(Put("k", std::to_string(tag)), &sink, tag + 1);
    };
    InTurn([&] { loop().Submit(Put("k", "first"), &sink, 0); });
    // Storage wakes the loop as long as it owes something, and nobody else does.
    for (int turns = 0; turns < 100 && sink.order.size() < 21; ++turns) {
      loop().reactor().RunOnce(Duration::Millis(100));
    }
    EXPECT_EQ(sink.order.size(), 21u) << polls;
    EXPECT_EQ(loop().shard().requests_in_flight(), 0u);
  }
}

// Goal: a request goes to the shard of its key, wherever it was asked, and its answer comes back.
TEST_F(ShardLoopTest, RequestsFindTheShardOfTheirKey) {
  Start(/*shards=*/3, 0);
  constexpr std::uint64_t kKeys = 200;
  Sink sink;
  const auto turn_until = [&](std::size_t answers) {
    return TurnUntil({&loop(0).reactor(), &loop(1).reactor(), &loop(2).reactor()},
                     [&] { return sink.order.size() == answers; });
  };
  loop(0).reactor().Post([&] {
    for (std::uint64_t i = 0; i < kKeys; ++i) {
      loop(0).Submit(Put("k" + std::to_string(i), "v" + std::to_string(i)), &sink, i);
    }
  });
  ASSERT_TRUE(turn_until(kKeys));
  loop(1).reactor().Post([&] {
    for (std::uint64_t i = 0; i < kKeys; ++i) {
      loop(1).Submit(Get("k" + std::to_string(i)), &sink, 1000 + i);
    }
  });
  ASSERT_TRUE(turn_until(2 * kKeys));
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    EXPECT_EQ(sink.values.at(1000 + i), "v" + std::to_string(i));
  }
  std::uint64_t puts = 0;
  for (std::size_t shard = 0; shard < 3; ++shard) {
    const ShardCounters& counters = loop(shard).shard().counters();
    EXPECT_GT(counters.puts, kKeys / 6);
    EXPECT_EQ(counters.puts, counters.gets);
    puts += counters.puts;
  }
  EXPECT_EQ(puts, kKeys);
}

// Goal: values that are being written leave less room for large ones, in the shard that was asked
// and in the one that does it; whoever brings small ones does not feel it.
TEST_F(ShardLoopTest, ValuesInFlightTakeRoom) {
  config_.value_bytes_in_flight_max = 2 << 20;
  Start(/*shards=*/2, /*polls_a_write=*/1000);
  constexpr std::size_t kShare = 1 << 20;
  const auto all_free = [&] {
    return loop(0).ValueRoom() == kShare && loop(1).ValueRoom() == kShare;
  };
  EXPECT_TRUE(all_free());
  Sink sink;
  loop(0).reactor().Post([&] {
    for (std::uint64_t i = 0; i < 20; ++i) {
      loop(0).Submit(Put("k" + std::to_string(i), std::string(kShare / 20, 'x')), &sink, i);
    }
    EXPECT_LT(loop(0).ValueRoom(), 20u);
    loop(0).Submit(Put("one more", std::string(kLargeValueBytes, 'x')), &sink, 20);
    EXPECT_EQ(loop(0).ValueRoom(), 0u);
    loop(0).Submit(Put("small", std::string(kLargeValueBytes - 1, 'x')), &sink, 21);
  });
  loop(0).reactor().RunOnce(Duration());
  loop(1).reactor().RunOnce(Duration());
  EXPECT_EQ(loop(0).ValueRoom(), 0u);
  EXPECT_LT(loop(1).ValueRoom(), kShare);
  EXPECT_GT(loop(1).ValueRoom(), kShare / 10) << "it does but a part of them";
  ASSERT_TRUE(
      TurnUntil({&loop(0).reactor(), &loop(1).reactor()}, [&] { return sink.order.size() == 22; }));
  EXPECT_TRUE(all_free());
}

// Notes what operators say, and answers when the test does.
class TestAgent final : public NodeAgent {
 public:
  using Done = std::function<void(Result<std::string>)>;
  void OnNodeMessage(NodeId, NodeMessage&&) override {}
  void OnPeerUp(NodeId, const LinkTerms&) override {}
  void OnPeerDown(NodeId) override {}
  void OnGuestUp(NodeId, std::string_view) override {}
  void OnGuestDown(NodeId) override {}
  void OnGuestMessage(NodeId, NodeMessage&&) override {}
  void OnGuestUnreachable(std::string_view, std::string_view) override {}
  void OnFoundedApart(const Handshake&) override {}
  void OnCommand(std::string verb, std::string body, Done done) override {
    said.push_back(verb + " " + body);
    waiting.push_back(std::move(done));
  }
  std::vector<std::string> said;
  std::vector<Done> waiting;
};

// Goal: what an operator says to any shard is heard on the first one's loop, once, and the answer
// is given on the loop where it was said.
TEST_F(ShardLoopTest, ClusterCommandsGoToTheFirstShardAndBack) {
  Start(/*shards=*/2, 0);
  TestAgent agent;
  loop(0).SetAgent(&agent);
  std::vector<std::string> answers;
  loop(1).reactor().Post([&] {
    loop(1).ClusterCommand("stage", "{}", [&](const Result<std::string>& answer) {
      answers.push_back(answer.value_or("failed"));
    });
  });
  loop(1).reactor().RunOnce(Duration());
  EXPECT_TRUE(agent.said.empty());  // not on the second shard's thread
  loop(0).reactor().RunOnce(Duration());
  ASSERT_EQ(agent.said, std::vector<std::string>{"stage {}"});
  agent.waiting[0](std::string("done"));
  loop(0).reactor().RunOnce(Duration());
  EXPECT_TRUE(answers.empty());  // not on the first shard's thread
  loop(1).reactor().RunOnce(Duration());
  EXPECT_EQ(answers, std::vector<std::string>{"done"});
  // Whoever answers twice is not heard: the asker may be gone.
  agent.waiting[0](std::string("again"));
  loop(1).reactor().RunOnce(Duration());
  EXPECT_EQ(answers.size(), 1u);
}

// Goal: who gets no answer is told that nobody knows, and an answer that comes later hurts nobody.
TEST_F(ShardLoopTest, ClusterCommandsEndInTime) {
  command_max_ = Duration::Millis(1);
  Start(/*shards=*/2, 0);
  TestAgent agent;
  loop(0).SetAgent(&agent);
  std::vector<ErrorCode> errors;
  loop(1).ClusterCommand("commit", "", [&](const Result<std::string>& answer) {
    errors.push_back(answer.error().code);
  });
  loop(0).reactor().RunOnce(Duration());
  ASSERT_EQ(agent.waiting.size(), 1u);
  for (int turns = 0; turns < 100 && errors.empty(); ++turns) {
    loop(1).reactor().RunOnce(Duration::Millis(100));
  }
  EXPECT_EQ(errors, std::vector<ErrorCode>{ErrorCode::kOutcomeUnknown});
  agent.waiting[0](std::string("late"));
  loop(1).reactor().RunOnce(Duration());
  EXPECT_EQ(errors.size(), 1u);
}

// Goal: nothing waits without limit.
TEST_F(ShardLoopTest, ClusterCommandsAreBounded) {
  Start(/*shards=*/2, 0);
  std::vector<ErrorCode> errors;
  const auto say = [&](const std::string& body) {
    loop(1).ClusterCommand("status", body, [&](const Result<std::string>& answer) {
      errors.push_back(answer.error().code);
    });
  };
  // Nobody speaks for the node.
  say("");
  loop(0).reactor().RunOnce(Duration());
  loop(1).reactor().RunOnce(Duration());
  EXPECT_EQ(errors, std::vector<ErrorCode>{ErrorCode::kUnsupported});
  TestAgent agent;
  loop(0).SetAgent(&agent);
  say(std::string(kClusterBodyBytesMax + 1, 'x'));
  EXPECT_EQ(errors.back(), ErrorCode::kInvalidArgument);
  for (int i = 0; i < 64; ++i) say(std::string(kClusterBodyBytesMax, 'x'));
  EXPECT_EQ(errors.size(), 2u);
  say("");
  EXPECT_EQ(errors.back(), ErrorCode::kOverloaded);
  EXPECT_EQ(errors.size(), 3u);
  // An answer makes room.
  loop(0).reactor().RunOnce(Duration());
  ASSERT_EQ(agent.waiting.size(), 64u);
  agent.waiting[0](Fail(ErrorCode::kUnavailable, "no majority"));
  loop(1).reactor().RunOnce(Duration());
  EXPECT_EQ(errors.back(), ErrorCode::kUnavailable);
  say("");
  EXPECT_EQ(errors.size(), 4u);
}

}  // namespace
}  // namespace gyre
