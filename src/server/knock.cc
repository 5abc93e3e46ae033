#include "server/knock.h"

#include "base/codec.h"
#include "base/size_counter.h"
#include "core/cluster_view.h"
#include "core/ring/member_codec.h"

namespace gyre {
namespace {

// First bytes, beside those of the Steward's and of ballots (core/membership).
constexpr std::uint8_t kKnock = 48;
constexpr std::uint8_t kRefusal = 49;
constexpr std::size_t kReasonBytesMax = 512;

template <typename Out>
void Encode(Out& out, const Member& member) {
  out.U8(kKnock);
  EncodeMember(out, member);
}

}  // namespace

std::string EncodeKnock(const Member& member) {
  SizeCounter size;
  Encode(size, member);
  std::string body(size.size(), '\0');
  Writer out(body.data());
  Encode(out, member);
  return body;
}

std::optional<Member> DecodeKnock(std::string_view body) {
  Reader in(body);
  if (in.U8() != kKnock) return std::nullopt;
  Member member;
  DecodeMember(in, member);
  // What is behind comes from a node of a later version.
  if (!in.ok() || member.name.empty() || member.weight == 0) return std::nullopt;
  member.id = NodeIdOf(member.name);
  return member;
}

std::string EncodeKnockRefusal(std::string_view reason) {
  reason = reason.substr(0, kReasonBytesMax);
  std::string body(1 + SizedBytes(reason.size()), '\0');
  Writer out(body.data());
  out.U8(kRefusal);
  out.Sized(reason);
  return body;
}

std::optional<std::string> DecodeKnockRefusal(std::string_view body) {
  Reader in(body);
  if (in.U8() != kRefusal) return std::nullopt;
  std::string reason(in.Sized(kReasonBytesMax));
  if (!in.done()) return std::nullopt;
  return reason;
}

}  // namespace gyre
