#include "core/wire/background_codec.h"

#include <cstdint>

namespace gyre {
namespace {

constexpr std::uint8_t kTreeBitsMax = 32;
constexpr std::size_t kNodeSumBytes = 4 + 8;
constexpr std::size_t kVersionBytesMin = kRowKeyBytesMin + 8;
constexpr std::size_t kMemberRunBytes = 4 + 8;
constexpr std::size_t kNumbersBytesMin = 4 + 2;

template <typename Out>
void Encode(Out& out, const std::vector<KeyedRecord>& records) {
  out.Varint(records.size());
  for (const KeyedRecord& each : records) {
    Encode(out, each.key);
    out.Sized(each.record.view());
  }
}
void Decode(BodyReader& in, std::vector<KeyedRecord>& records) {
  const std::uint64_t count = in.VarintAtMost(kLeafRowsMax);
  if (count > in.remaining() / kRowKeyBytesMin) return in.SetFailed();
  records.resize(count);
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    Decode(in, records[i].key);
    records[i].record = in.SizedSlice(kRecordBytesMax);
  }
}

}  // namespace

// ---- tree exchange ---------------------------------------------------------------------------

template <typename Out>
void Encode(Out& out, const TreeCompare& compare) {
  out.Varint(compare.epoch.value);
  out.U32(compare.keyspace.value);
  out.U8(compare.bits);
  out.Varint(compare.nodes.size());
  for (const TreeCompare::NodeSum& node : compare.nodes) {
    out.U32(node.index);
    out.U64(node.sum);
  }
}
void Decode(BodyReader& in, TreeCompare& compare) {
  compare.epoch = RingEpoch(in.Varint());
  compare.keyspace = KeyspaceId(in.U32());
  compare.bits = in.Choice(0, kTreeBitsMax + 1);
  const std::uint64_t count = in.VarintAtMost(kTreeNodesMax);
  if (!in.ok() || count == 0 || count > in.remaining() / kNodeSumBytes) return in.SetFailed();
  compare.nodes.resize(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    TreeCompare::NodeSum& node = compare.nodes[i];
    node.index = in.U32();
    node.sum = in.U64();
    if (std::uint64_t{node.index} >> compare.bits != 0) in.SetFailed();
    if (i > 0 && node.index <= compare.nodes[i - 1].index) in.SetFailed();
  }
}

template <typename Out>
void Encode(Out& out, const TreeCompareReply& reply) {
  Encode(out, reply.error);
  if (reply.error.has_value()) return;
  out.Varint(reply.differing.size());
  for (const std::uint32_t index : reply.differing) out.U32(index);
}
void Decode(BodyReader& in, TreeCompareReply& reply) {
  Decode(in, reply.error);
  if (reply.error.has_value()) return;
  const std::uint64_t count = in.VarintAtMost(kTreeNodesMax);
  if (count > in.remaining() / 4) return in.SetFailed();
  reply.differing.resize(count);
  for (std::uint32_t& index : reply.differing) index = in.U32();
}

template <typename Out>
void Encode(Out& out, const LeafKeys& keys) {
  out.Varint(keys.epoch.value);
  out.U32(keys.keyspace.value);
  out.U8(keys.bits);
  out.U32(keys.leaf);
  Encode(out, keys.after);
  Encode(out, keys.upto);
  out.U8(keys.damaged ? 1 : 0);
  out.Varint(keys.rows.size());
  for (const LeafKeys::Version& row : keys.rows) {
    Encode(out, row.key);
    out.U64(row.digest);
  }
}
void Decode(BodyReader& in, LeafKeys& keys) {
  keys.epoch = RingEpoch(in.Varint());
  keys.keyspace = KeyspaceId(in.U32());
  keys.bits = in.Choice(1, kTreeBitsMax);
  keys.leaf = in.U32();
  if (!in.ok() || std::uint64_t{keys.leaf} >> keys.bits != 0) return in.SetFailed();
  Decode(in, keys.after);
  Decode(in, keys.upto);
  keys.damaged = in.Flag();
  const std::uint64_t count = in.VarintAtMost(kLeafRowsMax);
  if (count > in.remaining() / kVersionBytesMin) return in.SetFailed();
  keys.rows.resize(count);
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    Decode(in, keys.rows[i].key);
    keys.rows[i].digest = in.U64();
    if (i > 0 && keys.rows[i].key <= keys.rows[i - 1].key) in.SetFailed();
  }
}

template <typename Out>
void Encode(Out& out, const LeafKeysReply& reply) {
  Encode(out, reply.error);
  if (reply.error.has_value()) return;
  out.Varint(reply.wanted.size());
  for (const std::uint32_t position : reply.wanted) out.Varint(position);
  Encode(out, reply.records);
  out.U8(reply.more ? 1 : 0);
  out.Varint(reply.stamp);
}
void Decode(BodyReader& in, LeafKeysReply& reply) {
  Decode(in, reply.error);
  if (reply.error.has_value()) return;
  const std::uint64_t wanted = in.VarintAtMost(kLeafRowsMax);
  if (wanted > in.remaining()) return in.SetFailed();
  reply.wanted.resize(wanted);
  for (std::uint32_t& position : reply.wanted) {
    position = static_cast<std::uint32_t>(in.VarintAtMost(kLeafRowsMax - 1));
  }
  Decode(in, reply.records);
  reply.more = in.Flag();
  reply.stamp = in.Varint();
}

template <typename Out>
void Encode(Out& out, const RangeGet& get) {
  out.Varint(get.epoch.value);
  out.U32(get.keyspace.value);
  out.U8(get.bits);
  out.U32(get.first);
  out.U32(get.last);
  Encode(out, get.after);
  out.Varint(get.bytes_max);
}
void Decode(BodyReader& in, RangeGet& get) {
  get.epoch = RingEpoch(in.Varint());
  get.keyspace = KeyspaceId(in.U32());
  get.bits = in.Choice(1, kTreeBitsMax);
  get.first = in.U32();
  get.last = in.U32();
  if (!in.ok() || get.first > get.last || std::uint64_t{get.last} >> get.bits != 0) {
    return in.SetFailed();
  }
  Decode(in, get.after);
  get.bytes_max = in.Varint();
}

template <typename Out>
void Encode(Out& out, const RangeGetReply& reply) {
  Encode(out, reply.error);
  if (reply.error.has_value()) return;
  Encode(out, reply.records);
  out.U8(reply.done ? 1 : 0);
  out.Varint(reply.stamp);
}
void Decode(BodyReader& in, RangeGetReply& reply) {
  Decode(in, reply.error);
  if (reply.error.has_value()) return;
  Decode(in, reply.records);
  for (std::size_t i = 1; i < reply.records.size(); ++i) {
    if (reply.records[i].key <= reply.records[i - 1].key) in.SetFailed();
  }
  reply.done = in.Flag();
  reply.stamp = in.Varint();
}

// ---- purges ----------------------------------------------------------------------------------

template <typename Out>
void Encode(Out& out, const Ballot& ballot) {
  out.Varint(ballot.epoch.value);
  out.U8(static_cast<std::uint8_t>(ballot.step));
  out.U32(ballot.section.value);
  out.Varint(ballot.number);
  out.Varint(ballot.runs.size());
  for (const Ballot::MemberRun& member : ballot.runs) {
    out.U32(member.node.value);
    out.U64(member.run);
  }
  out.Varint(ballot.rows.size());
  for (const Ballot::Tombstone& row : ballot.rows) {
    Encode(out, row.key);
    out.U64(row.digest);
  }
}
void Decode(BodyReader& in, Ballot& ballot) {
  ballot.epoch = RingEpoch(in.Varint());
  ballot.step = static_cast<Ballot::Step>(in.Choice(1, 3));
  ballot.section = SectionId(in.U32());
  ballot.number = in.Varint();
  const std::uint64_t runs = in.VarintAtMost(kNodesMax);
  if (!in.ok() || runs > in.remaining() / kMemberRunBytes) return in.SetFailed();
  ballot.runs.resize(runs);
  for (Ballot::MemberRun& member : ballot.runs) {
    member.node = NodeId(in.U32());
    member.run = in.U64();
  }
  const std::uint64_t rows = in.VarintAtMost(kPurgeRowsMax);
  if (!in.ok() || rows > in.remaining() / kVersionBytesMin) return in.SetFailed();
  ballot.rows.resize(rows);
  for (std::uint64_t i = 0; i < rows && in.ok(); ++i) {
    Decode(in, ballot.rows[i].key);
    ballot.rows[i].digest = in.U64();
    if (i > 0 && ballot.rows[i].key <= ballot.rows[i - 1].key) in.SetFailed();
  }
}

template <typename Out>
void Encode(Out& out, const BallotReply& reply) {
  Encode(out, reply.error);
  if (reply.error.has_value()) out.Varint(reply.promised);
}
void Decode(BodyReader& in, BallotReply& reply) {
  Decode(in, reply.error);
  if (reply.error.has_value()) reply.promised = in.Varint();
}

template <typename Out>
void Encode(Out& out, const Greeting& greeting) {
  out.U64(greeting.run);
  out.U64(greeting.heard);
  out.U8(static_cast<std::uint8_t>((greeting.asks ? 1 : 0) | (greeting.taken ? 2 : 0) |
                                   (greeting.unfilled ? 4 : 0)));
  out.Varint(greeting.numbers.size());
  for (const Greeting::Numbers& each : greeting.numbers) {
    out.U32(each.section.value);
    out.Varint(each.promised);
    out.Varint(each.purged);
  }
}
void Decode(BodyReader& in, Greeting& greeting) {
  greeting.run = in.U64();
  greeting.heard = in.U64();
  const std::uint8_t flags = in.Choice(0, 8);
  greeting.asks = (flags & 1) != 0;
  greeting.taken = (flags & 2) != 0;
  greeting.unfilled = (flags & 4) != 0;
  const std::uint64_t count = in.VarintAtMost(1u << kPartitionBitsMax);
  if (!in.ok() || greeting.run == 0 || count > in.remaining() / kNumbersBytesMin) {
    return in.SetFailed();
  }
  greeting.numbers.resize(count);
  for (Greeting::Numbers& each : greeting.numbers) {
    each.section = SectionId(in.U32());
    each.promised = in.Varint();
    each.purged = in.Varint();
  }
}

// ---- members -----------------------------------------------------------------------------------

template <typename Out>
void Encode(Out& out, const NodeMessage& message) {
  out.U8(static_cast<std::uint8_t>(message.topic));
  out.Sized(message.body.view());
}

void Decode(BodyReader& in, NodeMessage& message) {
  message.topic = static_cast<NodeMessage::Topic>(in.Choice(1, 2));
  message.body = in.SizedSlice(kNodeMessageBytesMax);
  if (message.body.empty()) in.SetFailed();
}

// ---- for both sinks --------------------------------------------------------------------------

template void Encode(SizeCounter& out, const TreeCompare& compare);
template void Encode(Writer& out, const TreeCompare& compare);
template void Encode(SizeCounter& out, const TreeCompareReply& reply);
template void Encode(Writer& out, const TreeCompareReply& reply);
template void Encode(SizeCounter& out, const LeafKeys& keys);
template void Encode(Writer& out, const LeafKeys& keys);
template void Encode(SizeCounter& out, const LeafKeysReply& reply);
template void Encode(Writer& out, const LeafKeysReply& reply);
template void Encode(SizeCounter& out, const RangeGet& get);
template void Encode(Writer& out, const RangeGet& get);
template void Encode(SizeCounter& out, const RangeGetReply& reply);
template void Encode(Writer& out, const RangeGetReply& reply);
template void Encode(SizeCounter& out, const Ballot& ballot);
template void Encode(Writer& out, const Ballot& ballot);
template void Encode(SizeCounter& out, const BallotReply& reply);
template void Encode(Writer& out, const BallotReply& reply);
template void Encode(SizeCounter& out, const Greeting& greeting);
template void Encode(Writer& out, const Greeting& greeting);
template void Encode(SizeCounter& out, const NodeMessage& message);
template void Encode(Writer& out, const NodeMessage& message);

}  // namespace gyre
