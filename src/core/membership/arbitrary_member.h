// Random members for property tests: few ids, incarnations and descriptions, so that they meet.
#pragma once

#include <rapidcheck.h>

#include <string>
#include <utility>

#include "core/membership/member_record.h"

namespace gyre {

inline std::string AnyText(std::size_t bytes_max) {
  std::string text = *rc::gen::arbitrary<std::string>();
  if (text.size() > bytes_max) text.resize(bytes_max);
  return text;
}

inline DescriptionPtr AnyDescription() {
  MemberDescription d;
  d.name = "n" + AnyText(kMemberNameBytesMax - 1);
  d.peer_address = AnyText(kMemberAddressBytesMax);
  d.resp_address = AnyText(kMemberAddressBytesMax);
  d.http_address = AnyText(kMemberAddressBytesMax);
  d.zone = AnyText(kMemberZoneBytesMax);
  d.region = AnyText(kMemberZoneBytesMax);
  d.weight = *rc::gen::inRange(1u, kWeightMax + 1);
  d.protocol_min = static_cast<std::uint16_t>(*rc::gen::inRange(0, 4));
  d.protocol_max = static_cast<std::uint16_t>(*rc::gen::inRange(4, 65'536));
  d.unknown = AnyText(64);
  return SharedDescription::Make(std::move(d)).value();
}

// One of a handful.
inline DescriptionPtr DescriptionNumber(int number) {
  MemberDescription d;
  d.name = "node";
  d.peer_address = "10.0.0." + std::to_string(number) + ":7381";
  return SharedDescription::Make(std::move(d)).value();
}

// In full.
inline MemberNews AnyNewsOfFew() {
  MemberNews news;
  news.id = NodeId(*rc::gen::inRange(1u, 6u) * 3'000'000);
  news.incarnation = *rc::gen::inRange<std::uint64_t>(0, 4);
  news.life = static_cast<Life>(*rc::gen::inRange(0, 4));
  news.description = DescriptionNumber(*rc::gen::inRange(0, 3));
  news.digest = news.description->digest();
  return news;
}

}  // namespace gyre
