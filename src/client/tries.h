// The tries of one operation: whom to ask next, until when, and when to stop. Pure, so that the
// blocking and the asynchronous form go the same way; they only carry out its steps.
//
//   Next -> kConnect -+- OnNoConnection ----------------+-> Next ...
//                     +- OnConnected -+- OnLost --------+
//                                     +- OnRefused -----+
//                                     +- an answer: the end
//        -> kPause: call Next again at its end      -> kEnd: error() says why
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/time.h"
#include "client/endpoint.h"
#include "client/verdict.h"

namespace gyre {

// The pause after BUSY, or after every candidate has refused: this, then twice that, and so on to
// the maximum; each time shortened by chance to between half and all of it.
inline constexpr Duration kPauseFirst = Duration::Millis(10);
inline constexpr Duration kPauseMax = Duration::Millis(500);

class Tries {
 public:
  using Candidates = std::vector<std::shared_ptr<Endpoint>>;
  // What the tries want to know.
  class Source {
   public:
    virtual ~Source() = default;
    // Of one key, best first, as they stand now.
    virtual Candidates CandidatesFor(std::string_view key) = 0;
    // By chance between half and all of it.
    virtual Duration Shortened(Duration pause) = 0;
  };
  struct Limits {
    Duration timeout;  // of all tries together
    int tries_max = 1;
  };
  struct Step {
    enum class Kind : std::uint8_t { kConnect, kPause, kEnd };
    Kind kind = Kind::kEnd;
    Instant until;                 // kConnect: take no longer than that; kPause: its end
    std::shared_ptr<Endpoint> to;  // kConnect
  };

  Tries(bool is_read, const Limits& limits, Instant now)
      : is_read_(is_read), tries_max_(limits.tries_max), deadline_(now + limits.timeout) {}

  Step Next(Source& source, std::string_view key, Instant now);
  // Nothing was sent.
  void OnNoConnection(const Error& error);
  // Until when an answer must have come to what is sent now; nullopt: it is too late to send it.
  std::optional<Instant> OnConnected(Instant now);
  // The call failed, or what came is no answer to what was asked.
  void OnLost(const Error& error) { Take(AfterLostCall(error, is_read_)); }
  // The node answered with an error.
  void OnRefused(const Error& error) { Take(AfterRefusal(error, is_read_)); }
  // What the last try came to.
  const ClientError& error() const { return error_; }

 private:
  void Take(Verdict verdict);
  Instant HalfWay(Instant now) const { return now + Duration{(deadline_ - now).us / 2}; }

  const bool is_read_;
  const int tries_max_;
  const Instant deadline_;
  ClientError error_{ErrorKind::kNotConnected, "no address leads to a node of the cluster"};
  Candidates candidates_;
  std::size_t at_ = 0;
  bool in_round_ = false;  // of the candidates; there is a pause after each round
  int tries_ = 0;
  int tries_before_ = 0;  // this round
  bool pause_due_ = false;
  bool over_ = false;
  Duration pause_ = kPauseFirst;
};

}  // namespace gyre
