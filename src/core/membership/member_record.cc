#include "core/membership/member_record.h"

#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/size_counter.h"

namespace gyre {
namespace {

template <typename Out>
void Encode(Out& out, const MemberDescription& d) {
  out.Sized(d.name);
  out.Sized(d.peer_address);
  out.Sized(d.resp_address);
  out.Sized(d.http_address);
  out.Sized(d.zone);
  out.Sized(d.region);
  out.Varint(d.weight);
  out.U16(d.protocol_min);
  out.U16(d.protocol_max);
  out.Raw(d.unknown);
}

bool InRange(const MemberDescription& d) {
  return !d.name.empty() && d.name.size() <= kMemberNameBytesMax &&
         d.peer_address.size() <= kMemberAddressBytesMax &&
         d.resp_address.size() <= kMemberAddressBytesMax &&
         d.http_address.size() <= kMemberAddressBytesMax && d.zone.size() <= kMemberZoneBytesMax &&
         d.region.size() <= kMemberZoneBytesMax && d.weight >= 1 && d.weight <= kWeightMax &&
         d.protocol_min <= d.protocol_max;
}

}  // namespace

SharedDescription::SharedDescription(MemberDescription fields, std::string_view encoded)
    : fields_(std::move(fields)), encoded_(encoded), digest_(Xxh3_64(encoded)) {
  if (digest_ == 0) digest_ = 1;
}

Result<DescriptionPtr> SharedDescription::Make(MemberDescription fields) {
  SizeCounter size;
  Encode(size, fields);
  if (!InRange(fields) || size.size() > kDescriptionBytesMax) {
    return Fail(ErrorCode::kInvalidArgument, "member: a field is out of its range");
  }
  std::string encoded(size.size(), '\0');
  Writer out(encoded.data());
  Encode(out, fields);
  return DescriptionPtr(new SharedDescription(std::move(fields), encoded));
}

Result<DescriptionPtr> SharedDescription::Parse(std::string_view bytes) {
  Reader in(bytes);
  MemberDescription d;
  d.name = in.Sized(kMemberNameBytesMax);
  d.peer_address = in.Sized(kMemberAddressBytesMax);
  d.resp_address = in.Sized(kMemberAddressBytesMax);
  d.http_address = in.Sized(kMemberAddressBytesMax);
  d.zone = in.Sized(kMemberZoneBytesMax);
  d.region = in.Sized(kMemberZoneBytesMax);
  d.weight = static_cast<std::uint32_t>(in.VarintAtMost(kWeightMax));
  d.protocol_min = in.U16();
  d.protocol_max = in.U16();
  d.unknown = in.Raw(in.remaining());
  if (!in.done() || !InRange(d) || bytes.size() > kDescriptionBytesMax) {
    return Fail(ErrorCode::kCorruption, "member: malformed description");
  }
  return DescriptionPtr(new SharedDescription(std::move(d), bytes));
}

}  // namespace gyre
