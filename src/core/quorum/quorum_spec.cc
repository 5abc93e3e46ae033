#include "core/quorum/quorum_spec.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "core/config.h"

namespace gyre {
namespace {

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

}  // namespace

Result<QuorumSpec> QuorumSpec::Parse(std::string_view text) {
  if (EqualsIgnoringCase(text, "one")) return One();
  if (EqualsIgnoringCase(text, "quorum")) return Quorum();
  if (EqualsIgnoringCase(text, "all")) return All();
  if (EqualsIgnoringCase(text, "local_quorum")) return LocalQuorum();
  if (EqualsIgnoringCase(text, "each_quorum")) return EachQuorum();
  unsigned number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (failure == std::errc() && stop == end && number >= 1 && number <= kReplicasMax) {
    return Number(static_cast<std::uint8_t>(number));
  }
  return Fail(ErrorCode::kInvalidArgument,
              "a quorum is one, quorum, all, local_quorum, each_quorum, or a number from 1 to " +
                  std::to_string(kReplicasMax) + ", not '" + std::string(text.substr(0, 32)) + "'");
}

std::string QuorumSpec::ToString() const {
  switch (kind_) {
    case Kind::kOne:
      return "one";
    case Kind::kQuorum:
      return "quorum";
    case Kind::kAll:
      return "all";
    case Kind::kNumber:
      return std::to_string(number_);
    case Kind::kLocalQuorum:
      return "local_quorum";
    case Kind::kEachQuorum:
      return "each_quorum";
  }
  return "quorum";
}

Result<int> QuorumSpec::Resolve(int replicas, int copies) const {
  GYRE_CHECK(copies >= 1 && copies <= replicas);
  switch (kind_) {
    case Kind::kOne:
      return 1;
    case Kind::kQuorum:
    case Kind::kLocalQuorum:
    case Kind::kEachQuorum:
      return copies / 2 + 1;
    case Kind::kAll:
      return copies;
    case Kind::kNumber:
      break;
  }
  if (number_ < 1 || number_ > replicas) {
    return Fail(ErrorCode::kInvalidArgument, "a quorum of " + std::to_string(number_) +
                                                 " can never be met: there are " +
                                                 std::to_string(replicas) + " copies (N)");
  }
  return std::min<int>(number_, copies);
}

bool QuorumsMeet(const QuorumSpec& read, const QuorumSpec& write, int replicas, int copies) {
  const Result<int> r = read.Resolve(replicas, copies);
  const Result<int> w = write.Resolve(replicas, copies);
  if (!r || !w) return false;
  // The majority of one region meets for certain only what each region has enough of.
  const auto in_each_region = [](const QuorumSpec& spec) {
    return spec.by_region() || spec.kind() == QuorumSpec::Kind::kAll;
  };
  if (read.local() && !in_each_region(write)) return false;
  if (write.local() && !in_each_region(read)) return false;
  return *r + *w > copies;
}

}  // namespace gyre
