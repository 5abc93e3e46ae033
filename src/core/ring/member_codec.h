// A member's fields but its id, as layouts and knocks (server/knock.h) carry them: one form.
#pragma once

#include <cstddef>

#include "base/codec.h"
#include "core/ring/ring.h"

namespace gyre {

// Of a name, zone or region, and of an address: a host name of 255, ":", a port. When decoding.
inline constexpr std::size_t kMemberTextBytesMax = 64;
inline constexpr std::size_t kMemberAddressBytesMax = 262;

template <typename Out>
void EncodeMember(Out& out, const Member& member) {
  out.Sized(member.name);
  out.Varint(member.weight);
  out.Sized(member.zone);
  out.Sized(member.region);
  out.Sized(member.address);
  out.Sized(member.resp);
  out.Sized(member.http);
}

inline void DecodeMember(Reader& in, Member& member) {
  member.name = in.Sized(kMemberTextBytesMax);
  member.weight = static_cast<std::uint32_t>(in.VarintAtMost(kWeightMax));
  member.zone = in.Sized(kMemberTextBytesMax);
  member.region = in.Sized(kMemberTextBytesMax);
  member.address = in.Sized(kMemberAddressBytesMax);
  member.resp = in.Sized(kMemberAddressBytesMax);
  member.http = in.Sized(kMemberAddressBytesMax);
}

}  // namespace gyre
