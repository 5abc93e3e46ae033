#include "core/membership/membership_codec.h"

#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "base/size_counter.h"
#include "core/config.h"

// Each struct has an Encode into any sink (SizeCounter or Writer) and a Decode, side by side. What
// decodes encodes to the same bytes.

namespace gyre {
namespace {

constexpr std::size_t kNewsBytesMin = 1 + 4 + 1 + 8;
constexpr std::uint8_t kLifeBits = 3;
constexpr std::uint8_t kHasDescription = 4;
constexpr std::uint8_t kHasAccuser = 8;

static_assert(std::variant_size_v<MembershipMessage> == 9, "a new message needs its codec");

// ---- parts -------------------------------------------------------------------------------------

template <typename Out>
void Encode(Out& out, const MemberNews& news) {
  const bool accused = news.accuser != NodeId();
  out.U8(static_cast<std::uint8_t>(static_cast<std::uint8_t>(news.life) |
                                   (news.description != nullptr ? kHasDescription : 0) |
                                   (accused ? kHasAccuser : 0)));
  out.U32(news.id.value);
  out.Varint(news.incarnation);
  if (news.description != nullptr) {
    out.Sized(news.description->encoded());
  } else {
    out.U64(news.digest);
  }
  if (accused) out.U32(news.accuser.value);
}

NodeId DecodeId(Reader& in) {
  const NodeId id(in.U32());
  if (id == NodeId() || id.value > kNodeIdMax) in.SetFailed();
  return id;
}

void Decode(Reader& in, MemberNews& news) {
  const std::uint8_t flags = in.U8();
  if (flags > (kLifeBits | kHasDescription | kHasAccuser)) in.SetFailed();
  news.life = static_cast<Life>(flags & kLifeBits);
  news.id = DecodeId(in);
  news.incarnation = in.Varint();
  if ((flags & kHasDescription) != 0) {
    const std::string_view bytes = in.Sized(kDescriptionBytesMax);
    if (!in.ok()) return;
    auto description = SharedDescription::Parse(bytes);
    if (!description.has_value()) return in.SetFailed();
    news.description = std::move(*description);
    news.digest = news.description->digest();
  } else {
    news.digest = in.U64();
    if (news.digest == 0) in.SetFailed();
  }
  if ((flags & kHasAccuser) != 0) {
    news.accuser = DecodeId(in);
    if (news.life != Life::kSuspect) in.SetFailed();
  }
}

template <typename Out>
void Encode(Out& out, const std::vector<MemberNews>& all) {
  out.Varint(all.size());
  for (const MemberNews& news : all) Encode(out, news);
}
void Decode(Reader& in, std::vector<MemberNews>& all) {
  const std::uint64_t count = in.VarintAtMost(kNodesMax);
  if (count > in.remaining() / kNewsBytesMin) return in.SetFailed();
  all.resize(count);
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) Decode(in, all[i]);
}

template <typename Out>
void Encode(Out& out, const LayoutVersion& layout) {
  out.Varint(layout.number);
  out.U64(layout.digest);
}
void Decode(Reader& in, LayoutVersion& layout) {
  layout.number = in.Varint();
  layout.digest = in.U64();
}

bool DecodeFlag(Reader& in) {
  const std::uint8_t flag = in.U8();
  if (flag > 1) in.SetFailed();
  return flag == 1;
}

// ---- messages ----------------------------------------------------------------------------------

template <typename Out>
void Encode(Out& out, const Ping& ping) {
  out.U32(ping.sequence);
  Encode(out, ping.news);
}
void Decode(Reader& in, Ping& ping) {
  ping.sequence = in.U32();
  Decode(in, ping.news);
}

template <typename Out>
void Encode(Out& out, const PingAck& ack) {
  out.U32(ack.sequence);
  Encode(out, ack.news);
}
void Decode(Reader& in, PingAck& ack) {
  ack.sequence = in.U32();
  Decode(in, ack.news);
}

template <typename Out>
void Encode(Out& out, const PingRequest& request) {
  out.U32(request.sequence);
  out.U32(request.target.value);
  out.U8(request.nack ? 1 : 0);
  Encode(out, request.news);
}
void Decode(Reader& in, PingRequest& request) {
  request.sequence = in.U32();
  request.target = DecodeId(in);
  request.nack = DecodeFlag(in);
  Decode(in, request.news);
}

template <typename Out>
void Encode(Out& out, const PingNack& nack) {
  out.U32(nack.sequence);
  Encode(out, nack.news);
}
void Decode(Reader& in, PingNack& nack) {
  nack.sequence = in.U32();
  Decode(in, nack.news);
}

template <typename Out>
void Encode(Out& out, const Rumours& rumours) {
  Encode(out, rumours.news);
}
void Decode(Reader& in, Rumours& rumours) { Decode(in, rumours.news); }

template <typename Out>
void Encode(Out& out, const SyncBegin& begin) {
  Encode(out, begin.layout);
  out.U64(begin.sum);
  Encode(out, begin.news);
}
void Decode(Reader& in, SyncBegin& begin) {
  Decode(in, begin.layout);
  begin.sum = in.U64();
  Decode(in, begin.news);
}

template <typename Out>
void Encode(Out& out, const SyncSums& sums) {
  Encode(out, sums.layout);
  out.U64(sums.sum);
  out.U8(sums.differs ? 1 : 0);
  if (!sums.differs) return;
  for (const std::uint64_t sum : sums.sums) out.U64(sum);
}
void Decode(Reader& in, SyncSums& sums) {
  Decode(in, sums.layout);
  sums.sum = in.U64();
  sums.differs = DecodeFlag(in);
  if (!sums.differs) return;
  for (std::uint64_t& sum : sums.sums) sum = in.U64();
}

template <typename Out>
void Encode(Out& out, const SyncEntries& entries) {
  out.Varint(entries.buckets.size());
  for (const std::uint8_t bucket : entries.buckets) out.U8(bucket);
  Encode(out, entries.entries);
  out.U8(entries.more ? 1 : 0);
}
void Decode(Reader& in, SyncEntries& entries) {
  const std::uint64_t count = in.VarintAtMost(kTableBuckets);
  if (count > in.remaining()) return in.SetFailed();
  entries.buckets.resize(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    entries.buckets[i] = in.U8();
    if (entries.buckets[i] >= kTableBuckets) in.SetFailed();
    if (i > 0 && entries.buckets[i] <= entries.buckets[i - 1]) in.SetFailed();
  }
  Decode(in, entries.entries);
  entries.more = DecodeFlag(in);
}

template <typename Out>
void Encode(Out& out, const SyncRecords& records) {
  Encode(out, records.records);
  out.Varint(records.wanted.size());
  for (const NodeId id : records.wanted) out.U32(id.value);
  out.U8(records.more ? 1 : 0);
}
void Decode(Reader& in, SyncRecords& records) {
  Decode(in, records.records);
  const std::uint64_t count = in.VarintAtMost(kNodesMax);
  if (count > in.remaining() / 4) return in.SetFailed();
  records.wanted.resize(count);
  for (NodeId& id : records.wanted) id = DecodeId(in);
  records.more = DecodeFlag(in);
}

// ---- the whole ---------------------------------------------------------------------------------

template <typename Out>
void EncodeMessage(Out& out, const MembershipMessage& message) {
  out.U8(static_cast<std::uint8_t>(TypeOf(message)));
  std::visit([&out](const auto& fields) { Encode(out, fields); }, message);
}

template <std::size_t... index>
void DecodeMessageOf(Reader& in, MembershipMessage& message, std::size_t wanted,
                     std::index_sequence<index...>) {
  ((index == wanted ? Decode(in, message.emplace<index>()) : void()), ...);
}

}  // namespace

std::size_t NewsBytes(const MemberNews& news) {
  SizeCounter counter;
  Encode(counter, news);
  return counter.size();
}

std::size_t MembershipBytes(const MembershipMessage& message) {
  SizeCounter counter;
  EncodeMessage(counter, message);
  return counter.size();
}

Bytes EncodeMembership(const MembershipMessage& message) {
  const std::size_t bytes = MembershipBytes(message);
  GYRE_CHECK(bytes <= kMembershipBytesMax);
  return Bytes::Build(bytes, [&](char* start) {
    Writer out(start);
    EncodeMessage(out, message);
    GYRE_CHECK(out.position() == start + bytes);
  });
}

Result<MembershipMessage> DecodeMembership(std::string_view bytes) {
  if (bytes.size() > kMembershipBytesMax) {
    return Fail(ErrorCode::kCorruption, "membership: impossible length");
  }
  Reader in(bytes);
  const std::uint8_t type = in.U8();
  if (!in.ok() || type == 0) return Fail(ErrorCode::kCorruption, "membership: malformed");
  constexpr std::size_t kTypes = std::variant_size_v<MembershipMessage>;
  if (type > kTypes) {
    return Fail(ErrorCode::kUnsupported, "membership: a message of unknown type");
  }
  Result<MembershipMessage> result;
  DecodeMessageOf(in, *result, type - std::size_t{1}, std::make_index_sequence<kTypes>());
  if (!in.done()) return Fail(ErrorCode::kCorruption, "membership: malformed");
  return result;
}

}  // namespace gyre
