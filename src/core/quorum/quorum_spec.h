// R and W as an operator or a client writes them: `one`, `quorum`, `all`, or a number, counted over
// all copies that can exist, min(N, nodes in the ring) (paper 4.5); `local_quorum`, a majority of
// the copies in the coordinator's region; or `each_quorum`, a majority in each region.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gyre {

class QuorumSpec {
 public:
  enum class Kind : std::uint8_t {
    kOne = 1,
    kQuorum = 2,
    kAll = 3,
    kNumber = 4,
    kLocalQuorum = 5,
    kEachQuorum = 6
  };

  constexpr QuorumSpec() = default;  // quorum
  static constexpr QuorumSpec One() { return QuorumSpec(Kind::kOne, 1); }
  static constexpr QuorumSpec Quorum() { return QuorumSpec(Kind::kQuorum, 0); }
  static constexpr QuorumSpec All() { return QuorumSpec(Kind::kAll, 0); }
  static constexpr QuorumSpec LocalQuorum() { return QuorumSpec(Kind::kLocalQuorum, 0); }
  static constexpr QuorumSpec EachQuorum() { return QuorumSpec(Kind::kEachQuorum, 0); }
  static constexpr QuorumSpec Number(std::uint8_t n) { return QuorumSpec(Kind::kNumber, n); }

  // Accepts one, quorum, all, local_quorum, each_quorum (any case) and 1..kReplicasMax.
  // Errors: kInvalidArgument, with a sentence that names what is accepted.
  static Result<QuorumSpec> Parse(std::string_view text);
  std::string ToString() const;

  // The count to reach, where `copies` = min(N, nodes in the ring) and `replicas` = N.
  // Errors: kInvalidArgument if a number exceeds N. A number between `copies` and N counts as
  // `copies`, so that a cluster of one node works with R = 2. Where regions have quorums of their
  // own, `copies` are those of one region.
  Result<int> Resolve(int replicas, int copies) const;

  constexpr bool local() const { return kind_ == Kind::kLocalQuorum; }
  constexpr bool by_region() const { return local() || kind_ == Kind::kEachQuorum; }
  constexpr Kind kind() const { return kind_; }
  constexpr std::uint8_t number() const { return number_; }
  bool operator==(const QuorumSpec&) const = default;

 private:
  constexpr QuorumSpec(Kind kind, std::uint8_t number) : kind_(kind), number_(number) {}
  Kind kind_ = Kind::kQuorum;
  std::uint8_t number_ = 0;
};

// Does each read with `read` meet each write with `write` that was answered before, where there are
// so many copies? With `local_quorum`: those of one region. False also where one can never be met.
bool QuorumsMeet(const QuorumSpec& read, const QuorumSpec& write, int replicas, int copies);

}  // namespace gyre
