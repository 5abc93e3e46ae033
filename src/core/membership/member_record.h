// What is told of one member: who it is, as it says itself, and how it fares, as others say.
// Paper 4.8.1 (membership). Pure values; a description is immutable and shared by all that hold it.
//
// A record is (incarnation, life, description). Only the node itself raises its incarnation: when
// it starts, when its description changes, and to contradict those who hold it for dead.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "core/ids.h"
#include "core/ring/member_codec.h"
#include "core/ring/ring.h"

namespace gyre {

// Limits of the format.
inline constexpr std::size_t kMemberNameBytesMax = 64;
inline constexpr std::size_t kMemberZoneBytesMax = 64;      // and of a region
inline constexpr std::size_t kDescriptionBytesMax = 1'060;  // all of it, unknown fields too

// In order of severity. The number is part of the wire format.
enum class Life : std::uint8_t {
  kAlive = 0,
  kSuspect = 1,  // someone had no answer from it; it may contradict
  kDown = 2,     // it has not contradicted: not asked any more. No data moves, it stays a member
  kLeft = 3,     // no member any more: by its own word, or an operator's
};
constexpr std::string_view LifeName(Life life) {
  constexpr std::string_view kNames[] = {"alive", "suspect", "down", "left"};
  return kNames[static_cast<std::size_t>(life)];
}
// Is it asked things, and counted, as one that is there?
constexpr bool IsLive(Life life) { return life <= Life::kSuspect; }

// What a node says of itself.
struct MemberDescription {
  std::string name;          // 1 to kMemberNameBytesMax bytes
  std::string peer_address;  // "host:port", each 1 to kMemberAddressBytesMax bytes or empty: none
  std::string resp_address;
  std::string http_address;
  std::string zone;
  std::string region;
  std::uint32_t weight = 1;  // 1..kWeightMax
  std::uint16_t protocol_min = 0;
  std::uint16_t protocol_max = 0;
  std::string unknown;  // fields of later versions, verbatim: they travel on unchanged

  bool operator==(const MemberDescription&) const = default;
};

// A description, its only encoded form, and the hash of that.
class SharedDescription {
 public:
  // Errors: kInvalidArgument for a field out of its range, or too many bytes in all.
  static Result<std::shared_ptr<const SharedDescription>> Make(MemberDescription fields);
  // From bytes of a peer, of this version or a later one.
  // Errors: kCorruption.
  static Result<std::shared_ptr<const SharedDescription>> Parse(std::string_view bytes);

  const MemberDescription& fields() const { return fields_; }
  std::string_view encoded() const { return encoded_.view(); }
  std::uint64_t digest() const { return digest_; }  // not 0

 private:
  SharedDescription(MemberDescription fields, std::string_view encoded);

  MemberDescription fields_;
  Bytes encoded_;
  std::uint64_t digest_;
};
using DescriptionPtr = std::shared_ptr<const SharedDescription>;

// What travels: a record in full, or without the description (null) for those who have it. 16 to 22
// bytes against some 120.
struct MemberNews {
  NodeId id;
  std::uint64_t incarnation = 0;
  Life life = Life::kAlive;
  std::uint64_t digest = 0;    // of the description
  DescriptionPtr description;  // null: not sent along
  NodeId accuser;              // of kSuspect: who had no answer; 0: not told
};

}  // namespace gyre
