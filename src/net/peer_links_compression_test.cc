// Compressed links between real sockets: who compresses what, and for whom.
#include "net/link_compression.h"
#include "net/peer_links_test_util.h"
#include "net/tls_test_util.h"

namespace gyre {
namespace {

class PeerLinksCompressionTest : public PeerLinksTest {
 protected:
  using Change = std::function<void(PeerLinksOptions&)>;

  static Change Compress(LinkScope scope) {
    return [scope](PeerLinksOptions& options) { options.compress = scope; };
  }
  void MakeTwo(const Change& change_a, const Change& change_b, int shards = 1) {
    b_ = MakeNode(2, {{1, 1}}, shards, change_b);
    a_ = MakeNode(1, {{2, b_.port}}, shards, change_a);
    Start(a_);
    Start(b_);
    ASSERT_TRUE(Until({&a_, &b_}, [&] {
      return !a_->recorder.changes.empty() && !b_->recorder.changes.empty();
    }));
  }
  // Small frames and one of 5 MiB, both ways.
  void Talk() {
    constexpr std::uint64_t kFrames = 50;
    for (std::uint64_t i = 1; i <= kFrames; ++i) {
      EXPECT_TRUE(a_->links->Send(NodeId(2), Get(i)));
      EXPECT_TRUE(b_->links->Send(NodeId(1), Reply(i, ShardId(0), i == 7 ? 5 << 20 : 100)));
    }
    ASSERT_TRUE(Until({&a_, &b_}, [&] {
      return a_->recorder.frames.size() >= kFrames && b_->recorder.frames.size() >= kFrames;
    }));
    for (std::uint64_t i = 1; i <= kFrames; ++i) {
      EXPECT_EQ(IdOf(a_->recorder.frames[i - 1]), i);
      EXPECT_EQ(IdOf(b_->recorder.frames[i - 1]), i);
    }
    const auto& large = std::get<ReplicaGetReply>(a_->recorder.frames[6].message);
    EXPECT_EQ(large.record, Bytes(std::string(5 << 20, 'r')));
  }
};

// Goal: each side decides on what it sends, and understands the other either way.
TEST_F(PeerLinksCompressionTest, EachSideDecidesOnWhatItSends) {
  for (const LinkScope of_a : {LinkScope::kNone, LinkScope::kAll}) {
    for (const LinkScope of_b : {LinkScope::kNone, LinkScope::kAll}) {
      MakeTwo(Compress(of_a), Compress(of_b));
      Talk();
      EXPECT_EQ(a_->Stats(2).compressed, of_a == LinkScope::kAll ? 1u : 0u);
      const LinkStats stats = b_->Stats(1);
      EXPECT_EQ(stats.compressed, of_b == LinkScope::kAll ? 1u : 0u);
      EXPECT_EQ(stats.bytes_before_compression > 5u << 20, of_b == LinkScope::kAll);
      EXPECT_LE(stats.bytes_after_compression, stats.bytes_before_compression / 20);
      a_ = TestNode();
      b_ = TestNode();
    }
  }
}

// Goal: with `regions` only what goes to another region is compressed.
TEST_F(PeerLinksCompressionTest, OnlyToOtherRegions) {
  for (const bool apart : {false, true}) {
    const auto in = [](std::string own, std::string others) {
      return [=](PeerLinksOptions& options) {
        options.compress = LinkScope::kRegions;
        options.self_region = own;
        for (PeerAddress& peer : options.peers) peer.region = others;
      };
    };
    MakeTwo(in("eu", apart ? "us" : "eu"), in(apart ? "us" : "eu", "eu"));
    EXPECT_EQ(a_->Stats(2).compressed, apart ? 1u : 0u);
    EXPECT_EQ(b_->Stats(1).compressed, apart ? 1u : 0u);
    a_ = TestNode();
    b_ = TestNode();
  }
}

// Goal: a node that does not know compression is never sent any.
TEST_F(PeerLinksCompressionTest, NotToOlderNodes) {
  MakeTwo(Compress(LinkScope::kAll), [](PeerLinksOptions& options) {
    options.compress = LinkScope::kAll;
    options.versions.max = FirstVersionOf(Feature::kCompression) - 1;
  });
  EXPECT_EQ(a_->Stats(2).compressed, 0u);
  EXPECT_EQ(b_->Stats(1).compressed, 0u);
  Talk();
}

// Goal: it begins behind the handshake also where the socket went to another shard, and within TLS.
TEST_F(PeerLinksCompressionTest, GoesWithTheSocketAndWithinTls) {
  TestAuthority ca;
  std::map<std::string, std::shared_ptr<TlsContext>> contexts;
  const auto change = [&](PeerLinksOptions& options) {
    auto& context = contexts[options.self_name];
    if (context == nullptr) context = ca.Context(options.self_name);
    options.security = {context, LinkScope::kAll, /*accept_plain=*/false, /*verify_name=*/true};
    options.compress = LinkScope::kAll;
  };
  MakeTwo(change, change, /*shards=*/3);
  ASSERT_TRUE(Until({&a_, &b_}, [&] {
    return a_[2].Stats(2).compressed == 1 && b_[2].Stats(1).compressed == 1 &&
           b_[1].Stats(1).compressed == 1;
  }));
  EXPECT_EQ(a_[2].Stats(2).encrypted, 1u);
  EXPECT_TRUE(a_[2].links->Send(NodeId(2), Get(9)));
  EXPECT_TRUE(b_[1].links->Send(NodeId(1), Get(10)));
  EXPECT_TRUE(Until({&a_, &b_}, [&] {
    return b_[2].recorder.frames.size() == 1 && a_[1].recorder.frames.size() == 1;
  }));
}

}  // namespace
}  // namespace gyre
