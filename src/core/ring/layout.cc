#include "core/ring/layout.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/size_counter.h"
#include "core/config.h"
#include "core/ring/member_codec.h"

namespace gyre {
namespace {

constexpr std::uint8_t kFormat = 1;
// The same, with the number of section bits behind that of partition bits: of partitions that have
// been split.
constexpr std::uint8_t kSplitFormat = 2;
// A partition keeps leaves enough to be compared by (ledger/merkle_tree.h).
constexpr int kSplitsMax = 8;

NodeList OwnersIn(const Ring& ring, PartitionId partition, int replicas) {
  NodeList owners;
  for (const NodeId owner : ring.OwnersOf(partition, replicas)) owners.push_back(owner);
  return owners;
}

// Is there a first part of `list` with fewer members of the region than the same of `before`? A
// member of no known region (removed by force) may have been of any.
template <typename IsOf>
bool LosesRegion(const NodeList& before, const Ring::Owners& list, IsOf is_of) {
  int ahead = 0;
  const auto count = static_cast<std::size_t>(list.count);
  for (std::size_t i = 0; i < std::max(before.size(), count); ++i) {
    if (i < before.size() && is_of(before.span()[i])) --ahead;
    if (i < count && is_of(list.data[i])) ++ahead;
    if (ahead < 0) return true;
  }
  return false;
}

bool SameOwners(const NodeList& a, const NodeList& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

Ring WithEpoch(const Ring& ring, RingEpoch epoch, int section_bits, int replicas) {
  Result<Ring> copy = Ring::Create(epoch, ring.partitioner(), ring.members(), ring.owners());
  GYRE_CHECK(copy.has_value());  // as `ring` is one
  copy->SetSectionBits(section_bits);
  copy->PrepareOwners(replicas);
  return *std::move(copy);
}

}  // namespace

Layout Layout::Found(const Lineage& lineage, Ring ring, int replicas) {
  GYRE_CHECK(replicas >= 1 && static_cast<std::size_t>(replicas) <= kReplicasMax);
  ring.PrepareOwners(replicas);
  return Layout(lineage, std::move(ring), replicas);
}

const Member* Layout::FindMember(NodeId id) const {
  if (const Member* member = ring_.FindMember(id)) return member;
  for (const Member& member : leaving_) {
    if (member.id == id) return &member;
  }
  return nullptr;
}

std::vector<NodeId> Layout::MemberIds() const {
  std::vector<NodeId> ids;
  for (const Member& member : ring_.members()) ids.push_back(member.id);
  for (const Member& member : leaving_) ids.push_back(member.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

bool Layout::IsNewerThan(const Layout& other) const {
  return std::pair(lineage_, number()) > std::pair(other.lineage_, other.number());
}

NodeList Layout::Awaited(PartitionId partition) const {
  NodeList awaited;
  const NodeList* from = moves_.FromOwners(partition);
  if (from == nullptr) return awaited;
  std::size_t place = 0;
  const Ring::Owners owners = ring_.OwnersOf(partition, replicas_);
  bool fewer = static_cast<std::size_t>(owners.count) < from->size();
  const auto loses = [&](std::string_view region) {
    return LosesRegion(*from, owners, [&](NodeId node) {
      const Member* member = FindMember(node);
      return member == nullptr || member->region == region;
    });
  };
  // Regions of which nobody is left in the list: others own their copies.
  for (const NodeId node : *from) {
    const Member* member = FindMember(node);
    if (member == nullptr) continue;
    fewer = fewer || std::none_of(owners.begin(), owners.end(), [&](NodeId owner) {
              return FindMember(owner)->region == member->region;
            });
  }
  for (const NodeId owner : owners) {
    ++place;
    if (fewer || loses(FindMember(owner)->region)) {
      awaited.push_back(owner);
      continue;
    }
    const NodeId* const end = from->begin() + std::min(place, from->size());
    if (std::find(from->begin(), end, owner) == end) awaited.push_back(owner);
  }
  return awaited;
}

Layout Layout::Next(Ring ring) const {
  Layout next(lineage_,
              WithEpoch(ring, RingEpoch(number().value + 1), ring_.section_bits(), replicas_),
              replicas_);
  next.leaving_ = leaving_;
  next.former_ = former_;
  return next;
}

void Layout::NoteFormer(NodeId member) {
  const auto place = std::lower_bound(former_.begin(), former_.end(), member);
  if (place != former_.end() && *place == member) return;
  if (former_.size() < kFormerMax) former_.insert(place, member);
}

Result<Layout> Layout::ChangeTo(const Ring& target, std::span<const NodeId> removed) const {
  if (target.partition_count() != ring_.partition_count() ||
      target.partitioner() != ring_.partitioner()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a layout keeps its number of partitions and its partitioner");
  }
  Layout next = Next(target);
  next.leaving_.clear();
  for (const std::vector<Member>* members : {&ring_.members(), &leaving_}) {
    for (const Member& member : *members) {
      if (target.FindMember(member.id) != nullptr) continue;
      const bool gone = std::find(removed.begin(), removed.end(), member.id) != removed.end();
      gone ? next.NoteFormer(member.id) : next.leaving_.push_back(member);
    }
  }
  std::erase_if(next.former_, [&](NodeId id) { return target.FindMember(id) != nullptr; });
  std::sort(next.leaving_.begin(), next.leaving_.end(),
            [](const Member& a, const Member& b) { return a.id < b.id; });
  const std::size_t count = ring_.partition_count();
  for (std::uint32_t p = 0; p < count; ++p) {
    const PartitionId partition(p);
    const NodeList before = OwnersIn(ring_, partition, replicas_);
    const NodeList* moving = moves_.FromOwners(partition);
    const NodeList& from = moving != nullptr ? *moving : before;
    const NodeList after = OwnersIn(next.ring_, partition, replicas_);
    if (!SameOwners(from, after)) next.moves_.SetMoving(partition, from, count);
    const bool changed = !SameOwners(before, after);
    const RingEpoch epoch = changed ? next.number() : moves_.EpochOf(partition);
    if (epoch.value != 0) next.moves_.SetEpoch(partition, epoch, count);
  }
  return next;
}

Result<Layout> Layout::Split() const {
  const auto refuse = [](const std::string& why) { return Fail(ErrorCode::kInvalidArgument, why); };
  if (moves_.any()) {
    return refuse(
        "partitions are split only while none of them moves; try again when the moves "
        "have ended");
  }
  const int bits = ring_.partition_bits() + 1;
  const int bits_max = std::min(kPartitionBitsMax, ring_.section_bits() + kSplitsMax);
  if (bits > bits_max) {
    return refuse("there are " + std::to_string(ring_.partition_count()) +
                  " partitions, and more are not possible: a cluster has " +
                  std::to_string(std::size_t{1} << kPartitionBitsMax) +
                  " at most, and can be split " + std::to_string(kSplitsMax) + " times");
  }
  std::vector<NodeId> owners;
  owners.reserve(2 * ring_.partition_count());
  for (const NodeId owner : ring_.owners()) owners.insert(owners.end(), 2, owner);
  Result<Ring> halves =
      Ring::Create(number(), ring_.partitioner(), ring_.members(), std::move(owners));
  GYRE_CHECK(halves.has_value());
  Layout next = Next(*halves);
  const std::size_t count = next.ring_.partition_count();
  for (std::uint32_t p = 0; p < count; ++p) {
    next.moves_.SetEpoch(PartitionId(p), next.number(), count);
  }
  return next;
}

Layout Layout::Settle(std::span<const PartitionId> partitions) const {
  Layout next = Next(ring_);
  const std::size_t count = ring_.partition_count();
  const std::set<PartitionId> settled(partitions.begin(), partitions.end());
  for (std::uint32_t p = 0; p < count; ++p) {
    const PartitionId partition(p);
    const NodeList* from = moves_.FromOwners(partition);
    const bool settles = from != nullptr && settled.contains(partition);
    if (from != nullptr && !settles) next.moves_.SetMoving(partition, *from, count);
    const RingEpoch epoch = settles ? next.number() : moves_.EpochOf(partition);
    if (epoch.value != 0) next.moves_.SetEpoch(partition, epoch, count);
  }
  return next;
}

bool Layout::Releasable(NodeId member) const {
  const bool leaves = std::any_of(leaving_.begin(), leaving_.end(),
                                  [&](const Member& each) { return each.id == member; });
  if (!leaves) return false;
  for (std::uint32_t p = 0; p < ring_.partition_count(); ++p) {
    const NodeList* from = moves_.FromOwners(PartitionId(p));
    if (from != nullptr && from->Contains(member)) return false;
  }
  return true;
}

Layout Layout::Release(std::span<const NodeId> members) const {
  Layout next = Next(ring_);
  next.moves_ = moves_;
  for (const NodeId member : members) {
    GYRE_CHECK(Releasable(member));
    std::erase_if(next.leaving_, [&](const Member& each) { return each.id == member; });
    next.NoteFormer(member);
  }
  return next;
}

// ---- bytes -----------------------------------------------------------------------------------

namespace {

template <typename Out>
void EncodeMembers(Out& out, const std::vector<Member>& members) {
  out.Varint(members.size());
  for (const Member& member : members) {
    out.U32(member.id.value);
    EncodeMember(out, member);
  }
}

std::vector<Member> DecodeMembers(Reader& in) {
  std::vector<Member> members(in.VarintAtMost(std::min(kNodesMax, in.remaining())));
  for (Member& member : members) {
    member.id = NodeId(in.U32());
    DecodeMember(in, member);
  }
  return members;
}

template <typename Out>
void EncodeOwners(Out& out, const Ring& ring) {
  out.U8(static_cast<std::uint8_t>(ring.partitioner()));
  out.U8(static_cast<std::uint8_t>(ring.partition_bits()));
  if (ring.section_bits() != ring.partition_bits()) {
    out.U8(static_cast<std::uint8_t>(ring.section_bits()));
  }
  EncodeMembers(out, ring.members());
  for (const NodeId owner : ring.owners()) {
    out.Varint(static_cast<std::uint64_t>(ring.FindMember(owner) - ring.members().data()));
  }
}

// Each with how far it is behind the one before it.
template <typename Out>
void EncodeMoves(Out& out, const Moves& moves, std::size_t partition_count) {
  out.Varint(moves.count());
  std::uint32_t next = 0;
  for (std::uint32_t p = 0; p < partition_count; ++p) {
    const NodeList* from = moves.FromOwners(PartitionId(p));
    if (from == nullptr) continue;
    out.Varint(p - next);
    next = p + 1;
    out.Varint(from->size());
    for (const NodeId owner : *from) out.U32(owner.value);
  }
  // Runs of partitions with one epoch.
  for (std::uint32_t p = 0; p < partition_count;) {
    const RingEpoch epoch = moves.EpochOf(PartitionId(p));
    std::uint32_t end = p + 1;
    while (end < partition_count && moves.EpochOf(PartitionId(end)) == epoch) ++end;
    out.Varint(end - p);
    out.Varint(epoch.value);
    p = end;
  }
}

Moves DecodeMoves(Reader& in, std::size_t partition_count, RingEpoch number) {
  Moves moves;
  std::uint64_t next = 0;
  for (std::uint64_t left = in.VarintAtMost(partition_count); left > 0 && in.ok(); --left) {
    next += in.VarintAtMost(partition_count);
    NodeList from;
    for (std::uint64_t n = in.VarintAtMost(kReplicasMax); n > 0; --n) {
      from.push_back(NodeId(in.U32()));
    }
    if (next >= partition_count || from.empty()) in.SetFailed();
    if (!in.ok()) break;
    moves.SetMoving(PartitionId(static_cast<std::uint32_t>(next)), from, partition_count);
    ++next;
  }
  for (std::size_t p = 0; p < partition_count && in.ok();) {
    const std::uint64_t run = in.VarintAtMost(partition_count - p);
    const RingEpoch epoch(in.VarintAtMost(number.value));
    if (run == 0) in.SetFailed();
    for (const std::size_t end = p + run; p < end && in.ok(); ++p) {
      if (epoch.value != 0) {
        moves.SetEpoch(PartitionId(static_cast<std::uint32_t>(p)), epoch, partition_count);
      }
    }
  }
  return moves;
}

template <typename Out>
void EncodeLayout(Out& out, const Layout& layout) {
  const bool split = layout.ring().section_bits() != layout.ring().partition_bits();
  out.U8(split ? kSplitFormat : kFormat);
  out.Varint(layout.lineage().generation);
  out.U64(layout.lineage().founding);
  out.Varint(layout.number().value);
  out.U8(static_cast<std::uint8_t>(layout.replicas()));
  EncodeOwners(out, layout.ring());
  EncodeMembers(out, layout.leaving());
  out.Varint(layout.former().size());
  for (const NodeId id : layout.former()) out.U32(id.value);
  EncodeMoves(out, layout.moves(), layout.ring().partition_count());
}

}  // namespace

std::string Layout::Encode() const {
  SizeCounter size;
  EncodeLayout(size, *this);
  std::string bytes(size.size(), '\0');
  Writer out(bytes.data());
  EncodeLayout(out, *this);
  return bytes;
}

Result<Layout> Layout::Decode(std::string_view bytes) {
  const auto damaged = [](const std::string& what) {
    return Fail(ErrorCode::kCorruption, "layout: " + what);
  };
  Reader in(bytes);
  const std::uint8_t format = in.U8();
  if (format != kFormat && format != kSplitFormat) return damaged("an unknown format");
  Lineage lineage;
  lineage.generation = in.Varint();
  lineage.founding = in.U64();
  const RingEpoch number(in.Varint());
  const auto replicas = static_cast<int>(in.U8());
  const std::uint8_t partitioner = in.U8();
  const std::uint8_t bits = in.U8();
  const std::uint8_t section_bits = format == kSplitFormat ? in.U8() : bits;
  const bool known = partitioner == static_cast<std::uint8_t>(PartitionerKind::kMd5) ||
                     partitioner == static_cast<std::uint8_t>(PartitionerKind::kXxh3);
  if (!in.ok() || !known || bits > kPartitionBitsMax ||
      (format == kSplitFormat && section_bits >= bits) || bits > section_bits + kSplitsMax ||
      replicas < 1 || static_cast<std::size_t>(replicas) > kReplicasMax) {
    return damaged("a field out of its range");
  }
  std::vector<Member> members = DecodeMembers(in);
  std::vector<NodeId> owners(std::size_t{1} << bits);
  for (NodeId& owner : owners) {
    const std::uint64_t index = in.Varint();
    if (index >= members.size()) return damaged("an owner that is no member");
    owner = members[index].id;
  }
  std::vector<Member> leaving = DecodeMembers(in);
  std::vector<NodeId> former(in.VarintAtMost(std::min(kFormerMax, in.remaining())));
  for (NodeId& id : former) id = NodeId(in.U32());
  Moves moves = DecodeMoves(in, owners.size(), number);
  if (!in.done()) return damaged("cut short, or more than it should be");
  Result<Ring> ring = Ring::Create(number, static_cast<PartitionerKind>(partitioner),
                                   std::move(members), std::move(owners));
  if (!ring) return damaged(ring.error().message);
  ring->SetSectionBits(section_bits);
  Layout layout = Found(lineage, *std::move(ring), replicas);
  layout.leaving_ = std::move(leaving);
  layout.former_ = std::move(former);
  layout.moves_ = std::move(moves);
  return layout;
}

std::uint64_t Layout::Digest() const { return Xxh3_64(Encode()); }

std::uint64_t RingDigest(const Ring& ring) {
  // The sizes keep neighbouring texts apart.
  std::string text;
  const auto add = [&text](std::string_view part) {
    text += std::to_string(part.size());
    text += ':';
    text += part;
  };
  add(PartitionerName(ring.partitioner()));
  add(std::to_string(ring.partition_count()));
  for (const Member& member : ring.members()) {
    add(member.name);
    add(std::to_string(member.weight));
    add(member.zone);
    add(member.region);
  }
  for (const NodeId owner : ring.owners()) add(std::to_string(owner.value));
  return Xxh3_64(text);
}

}  // namespace gyre
