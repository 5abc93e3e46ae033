#include "core/antientropy/exchange_answers.h"

#include <utility>

namespace gyre {
namespace {

// Reads the own rows of the stretch and says how they differ from the asker's.
class LeafAnswer : public Machine {
 public:
  LeafAnswer(ShardState& shard, LeafKeys&& asked, NodeId from, ShardId from_shard)
      : Machine(shard), asked_(std::move(asked)), from_(from), from_shard_(from_shard) {}

  void Start(Env& env) override {
    after_ = asked_.after;
    const SectionId section = shard().ledger.tree().SectionOfLeaf(asked_.leaf);
    reply_.stamp = shard().ledger.ballots().Durable(section).promised;
    Read(env);
  }

  void OnScanDone(Result<ScanPage> page, Env& env) override {
    if (!page) return End(page.error().code, env);
    for (ScannedRow& row : page->rows) {
      if (asked_.upto && *asked_.upto < row.key) {
        page->done = true;
        break;
      }
      Take(row);
    }
    // Past this the asker comes again.
    if (bytes_ > shard().config.exchange_bytes_max || reply_.records.size() >= kLeafRowsMax) {
      reply_.more = true;
      return End(std::nullopt, env);
    }
    if (!page->done) {
      after_ = std::move(page->rows.back().key);
      return Read(env);
    }
    while (at_ < asked_.rows.size()) Want(at_++);
    const bool whole = !asked_.after && !asked_.upto && !asked_.damaged;
    if (whole && reply_.wanted.empty() && reply_.records.empty()) {
      // Nothing differs, and yet the sums do: one of the two has miscounted.
      shard().suspect_leaves.insert({asked_.keyspace, asked_.leaf});
    }
    End(std::nullopt, env);
  }

 private:
  void Read(Env& env) {
    const TokenSpan span = SpanOf(asked_.leaf, asked_.bits);
    env.out.emplace_back(ScanEffect{id(),
                                    {{},
                                     asked_.keyspace,
                                     span.first,
                                     span.last,
                                     after_,
                                     shard().config.exchange_rows_max,
                                     shard().config.exchange_bytes_max}});
  }
  // Both lists are in order.
  void Take(ScannedRow& row) {
    while (at_ < asked_.rows.size() && asked_.rows[at_].key < row.key) Want(at_++);
    if (at_ < asked_.rows.size() && asked_.rows[at_].key == row.key) {
      const std::size_t same = at_++;
      if (asked_.rows[same].digest == RowDigest(row.key, row.row.record.view())) return;
      Want(same);
    }
    bytes_ += row.key.key.size() + row.row.record.size();
    reply_.records.push_back({std::move(row.key), std::move(row.row.record)});
  }
  void Want(std::size_t position) { reply_.wanted.push_back(static_cast<std::uint32_t>(position)); }
  void End(std::optional<ErrorCode> error, Env& env) {
    reply_.id = asked_.id;
    reply_.error = error;
    env.out.emplace_back(SendEffect{from_, from_shard_, std::move(reply_)});
    Finish();
  }

  const LeafKeys asked_;
  const NodeId from_;
  const ShardId from_shard_;
  std::optional<RowKey> after_;
  std::size_t at_ = 0;  // of the asker's rows: what comes next
  LeafKeysReply reply_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

TreeCompareReply AnswerTreeCompare(const TreeCompare& compare, NodeId from, const ShardState& shard,
                                   const RepairScheduler& scheduler) {
  TreeCompareReply reply{compare.id, std::nullopt, {}};
  const MerkleTree& tree = shard.ledger.tree();
  const Ring& ring = shard.view->ring;
  if (compare.bits < ring.partition_bits() || compare.bits > tree.leaf_bits()) {
    reply.error = ErrorCode::kInvalidArgument;
    return reply;
  }
  for (const TreeCompare::NodeSum& node : compare.nodes) {
    const std::uint32_t partition = node.index >> (compare.bits - ring.partition_bits());
    if (partition >= ring.partition_count() || !shard.Serves(PartitionId(partition))) {
      reply.error = ErrorCode::kInvalidArgument;
      return reply;
    }
    if (compare.epoch != shard.view->EpochOf(PartitionId(partition))) {
      reply.error = ErrorCode::kWrongEpoch;
      return reply;
    }
    const bool first = &node == compare.nodes.data();  // the others are of the same partition
    if (first && scheduler.Busy({PartitionId(partition), from})) {
      reply.error = ErrorCode::kOverloaded;
      return reply;
    }
    if (tree.SumOf(compare.keyspace, {compare.bits, node.index}) != node.sum) {
      reply.differing.push_back(node.index);
    }
  }
  return reply;
}

void AnswerLeafKeys(LeafKeys&& keys, NodeId from, ShardId from_shard, ShardState& shard) {
  shard.spawned.push_back(std::make_unique<LeafAnswer>(shard, std::move(keys), from, from_shard));
}

}  // namespace gyre
