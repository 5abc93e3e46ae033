// Random messages for property tests; see causality/arbitrary.h.
#pragma once

#include <set>
#include <string>

#include "core/causality/arbitrary.h"
#include "core/wire/message_codec.h"

namespace gyre {

inline bool AnyBool() { return *rc::gen::arbitrary<bool>(); }
inline std::uint64_t Any64() { return *rc::gen::arbitrary<std::uint64_t>(); }

inline Bytes AnyKeyBytes() { return Bytes(*rc::gen::nonEmpty<std::string>()); }

inline RowKey AnyRowKey() {
  return {KeyspaceId(*rc::gen::arbitrary<std::uint32_t>()), {Any64(), Any64()}, AnyKeyBytes()};
}

inline std::optional<QuorumSpec> AnyQuorum() {
  switch (*rc::gen::inRange(0, 7)) {
    case 0:
      return QuorumSpec::One();
    case 1:
      return QuorumSpec::Quorum();
    case 2:
      return QuorumSpec::All();
    case 3:
      return QuorumSpec::Number(
          static_cast<std::uint8_t>(*rc::gen::inRange(1, static_cast<int>(kReplicasMax) + 1)));
    case 4:
      return QuorumSpec::LocalQuorum();
    case 5:
      return QuorumSpec::EachQuorum();
    default:
      return std::nullopt;
  }
}

inline RequestOptions AnyOptions() {
  RequestOptions options{AnyQuorum(), AnyQuorum(),
                         Duration::Micros(*rc::gen::inRange(0, 1'000'000'000))};
  if (AnyBool()) options.sloppy = AnyBool();
  return options;
}

inline std::optional<VersionVector> AnyContext() {
  if (AnyBool()) return std::nullopt;
  return AnyWildRecord().clock;
}

inline WallTime AnyExpiry() { return {*rc::gen::inRange<std::int64_t>(0, kWallTimeMsMax)}; }

inline Mutation AnyMutation() {
  switch (*rc::gen::inRange(0, 3)) {
    case 0: {
      const auto value = *rc::gen::arbitrary<std::string>();
      return WriteValue{AnyContext(), Bytes(value), Xxh3_64(value), AnyExpiry(), AnyBool()};
    }
    case 1:
      return DeleteValue{AnyContext()};
    default:
      return SetExpiry{AnyExpiry(), static_cast<SetExpiry::Condition>(*rc::gen::inRange(0, 5))};
  }
}

inline ErrorCode AnyErrorCode() { return static_cast<ErrorCode>(*rc::gen::inRange(1, 11)); }
inline std::optional<ErrorCode> MaybeErrorCode() {
  if (AnyBool()) return std::nullopt;
  return AnyErrorCode();
}
inline std::optional<Error> MaybeError() {
  if (AnyBool()) return std::nullopt;
  return Error{AnyErrorCode(), *rc::gen::arbitrary<std::string>()};
}

// Of the type with this place in Message.
inline Message AnyMessage(int index) {
  const RequestId id(Any64());
  const RingEpoch epoch(Any64());
  switch (index) {
    case 0:
      return ReplicaGet{id, epoch, AnyRowKey(), AnyBool(), Any64(), Any64()};
    case 1: {
      ReplicaGetReply reply{id, MaybeErrorCode(), {}};
      if (reply.error) return reply;
      reply.stamp = Any64();
      if (AnyBool()) {
        reply.digest = Any64();
      } else if (AnyBool()) {
        reply.record = AnyRecord().Encode();
      }
      return reply;
    }
    case 2:
      return ReplicaPut{id,
                        epoch,
                        AnyRowKey().OwedTo(NodeId(*rc::gen::inRange(0u, kNodeIdMax + 1))),
                        AnyWildRecord().Encode(),
                        AnyBool(),
                        Any64()};
    case 3: {
      ReplicaPutReply reply{id, MaybeErrorCode()};
      if (reply.error == ErrorCode::kStaleCopy) reply.promised = Any64();
      return reply;
    }
    case 4:
      return ForwardGet{id, epoch, {AnyRowKey(), AnyOptions()}};
    case 5: {
      ForwardGetReply reply{id, MaybeError(), {}};
      if (!reply.error && AnyBool()) reply.record = AnyRecord().Encode();
      return reply;
    }
    case 6:
      return ForwardPut{id, epoch, {AnyRowKey(), AnyMutation(), AnyBool(), AnyOptions()}};
    case 7: {
      ForwardPutReply reply{id, MaybeError(), {}};
      if (reply.error) return reply;
      const Record record = AnyWildRecord();
      reply.outcome.context = record.clock;
      reply.outcome.changed = AnyBool();
      reply.outcome.copies = *rc::gen::arbitrary<std::uint8_t>();
      reply.outcome.hints = *rc::gen::arbitrary<std::uint8_t>();
      reply.outcome.zones = *rc::gen::arbitrary<std::uint8_t>();
      reply.outcome.strict = AnyBool();
      reply.outcome.dot = {ActorId(Any64()), Any64(), Any64()};
      if (!record.siblings.empty()) reply.outcome.before = record.siblings[0];
      return reply;
    }
    case 8: {
      ScanRequest request;
      request.keyspace = KeyspaceId(*rc::gen::arbitrary<std::uint32_t>());
      request.partition = PartitionId(*rc::gen::inRange(0u, 65'536u));
      if (AnyBool()) request.after = AnyRowKey();
      request.limit = *rc::gen::arbitrary<std::uint32_t>();
      request.count_only = AnyBool();
      request.options = AnyOptions();
      return ReplicaScan{id, epoch, request};
    }
    case 10: {
      TreeCompare compare{id, epoch, KeyspaceId(*rc::gen::arbitrary<std::uint32_t>()), 0, {}};
      compare.bits = *rc::gen::inRange<std::uint8_t>(8, 33);
      std::uint32_t node = *rc::gen::inRange(0u, 100u);
      const int count = *rc::gen::inRange(1, 5);
      for (int i = 0; i < count; ++i) {
        compare.nodes.push_back({node, Any64()});
        node += *rc::gen::inRange(1u, 20u);
      }
      return compare;
    }
    case 11: {
      TreeCompareReply reply{id, MaybeErrorCode(), {}};
      if (!reply.error) reply.differing = *rc::gen::arbitrary<std::vector<std::uint32_t>>();
      return reply;
    }
    case 12: {
      LeafKeys keys{id, epoch, KeyspaceId(*rc::gen::arbitrary<std::uint32_t>())};
      keys.bits = *rc::gen::inRange<std::uint8_t>(8, 33);
      keys.leaf = *rc::gen::inRange(0u, 256u);
      if (AnyBool()) keys.after = AnyRowKey();
      if (AnyBool()) keys.upto = AnyRowKey();
      keys.damaged = AnyBool();
      std::set<RowKey> rows;
      for (int count = *rc::gen::inRange(0, 4); count > 0; --count) rows.insert(AnyRowKey());
      for (const RowKey& key : rows) keys.rows.push_back({key, Any64()});
      return keys;
    }
    case 13: {
      LeafKeysReply reply{id, MaybeErrorCode(), {}, {}, false};
      if (reply.error) return reply;
      for (int count = *rc::gen::inRange(0, 4); count > 0; --count) {
        reply.wanted.push_back(*rc::gen::inRange(0u, 4'096u));
        reply.records.push_back({AnyRowKey(), AnyRecord().Encode()});
      }
      reply.more = AnyBool();
      reply.stamp = Any64();
      return reply;
    }
    case 14: {
      Ballot ballot{id, epoch, Ballot::Step::kPromise, SectionId(0), Any64(), {}, {}};
      ballot.step = static_cast<Ballot::Step>(*rc::gen::inRange(1, 4));
      ballot.section = SectionId(*rc::gen::inRange(0u, 65'536u));
      for (int count = *rc::gen::inRange(0, 4); count > 0; --count) {
        ballot.runs.push_back({NodeId(*rc::gen::arbitrary<std::uint32_t>()), Any64()});
      }
      std::set<RowKey> rows;
      for (int count = *rc::gen::inRange(0, 4); count > 0; --count) rows.insert(AnyRowKey());
      for (const RowKey& key : rows) ballot.rows.push_back({key, Any64()});
      return ballot;
    }
    case 15: {
      BallotReply reply{id, MaybeErrorCode(), 0};
      if (reply.error) reply.promised = Any64();
      return reply;
    }
    case 16: {
      Greeting greeting{id, Any64() | 1, Any64(), AnyBool(), AnyBool(), AnyBool(), {}};
      for (int count = *rc::gen::inRange(0, 4); count > 0; --count) {
        greeting.numbers.push_back({SectionId(*rc::gen::inRange(0u, 65'536u)), Any64(), Any64()});
      }
      return greeting;
    }
    case 17: {
      const auto topic = AnyBool() ? NodeMessage::Topic::kMembers : NodeMessage::Topic::kLayout;
      return NodeMessage{id, topic, AnyKeyBytes()};
    }
    case 18: {
      RangeGet get{id, epoch, KeyspaceId(*rc::gen::arbitrary<std::uint32_t>())};
      get.bits = *rc::gen::inRange<std::uint8_t>(8, 33);
      get.first = *rc::gen::inRange(0u, 128u);
      get.last = *rc::gen::inRange(128u, 256u);
      if (AnyBool()) get.after = AnyRowKey();
      get.bytes_max = Any64();
      return get;
    }
    case 19: {
      RangeGetReply reply{id, MaybeErrorCode()};
      if (reply.error) return reply;
      std::set<RowKey> keys;
      for (int count = *rc::gen::inRange(0, 4); count > 0; --count) keys.insert(AnyRowKey());
      for (const RowKey& key : keys) reply.records.push_back({key, AnyRecord().Encode()});
      reply.done = AnyBool();
      reply.stamp = Any64();
      return reply;
    }
    default: {
      ReplicaScanReply reply{id, MaybeError(), {}};
      if (reply.error) return reply;
      const int count = *rc::gen::inRange(0, 4);
      for (int i = 0; i < count; ++i) {
        reply.outcome.keys.push_back(
            {AnyKeyBytes(), AnyBool() ? ValueType::kBytes : ValueType::kTombstone});
      }
      if (AnyBool()) reply.outcome.next = AnyRowKey();
      reply.outcome.live_count = Any64();
      return reply;
    }
  }
}

inline constexpr int kMessageTypes = static_cast<int>(std::variant_size_v<Message>);

inline Envelope AnyEnvelope(int index) {
  Envelope envelope{ShardId(*rc::gen::arbitrary<std::uint16_t>()), std::nullopt, AnyMessage(index)};
  if (NamesItsShard(envelope.message))
    envelope.to_shard = ShardId(*rc::gen::inRange<std::uint16_t>(0, 0xFFFF));
  return envelope;
}

}  // namespace gyre
