// Membership messages as bytes: a type byte, then the fields; bounded, one form for each message.
// The frame around it (length, checksum, shards) is the link's, as in wire/message_codec.h.
//
// News: a flag byte (life in bits 0 and 1, bit 2: with description, bit 3: with accuser), u32 id,
// varint incarnation, then the description (its size as varint, its bytes) or its u64 digest, then
// the accuser's u32 id.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "core/membership/membership_messages.h"

namespace gyre {

// The most that one MemberNews takes: so much room a message must have for any.
inline constexpr std::size_t kNewsBytesMax = 1 + 4 + 10 + 2 + kDescriptionBytesMax + 4;
// Of one message: all members of the largest cluster, as entries, and some.
inline constexpr std::size_t kMembershipBytesMax = 1024 * 1024;

std::size_t NewsBytes(const MemberNews& news);
std::size_t MembershipBytes(const MembershipMessage& message);
// REQUIRES: at most kMembershipBytesMax bytes.
Bytes EncodeMembership(const MembershipMessage& message);
// Errors: kCorruption (format, limits), kUnsupported (a type of a later version: skip it).
Result<MembershipMessage> DecodeMembership(std::string_view bytes);

}  // namespace gyre
