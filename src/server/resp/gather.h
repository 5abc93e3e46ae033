// A command over several keys: one request for each, answered together. Not atomic. The first error
// is the answer; requests that were under way then are still waited for.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "server/resp/multi_request.h"
#include "server/resp/resp_session.h"

namespace gyre {

class Gather : public MultiRequest {
 public:
  enum class Repeated : std::uint8_t { kKeep, kDrop };
  // Takes the keys at args[first], args[first + step], ...; kDrop: each once, in any order.
  Gather(const RespSession& session, const RespArgs& args, std::size_t first, std::size_t step,
         Repeated repeated = Repeated::kKeep)
      : options_(session.state().options) {
    keys_.reserve((args.size() - first + step - 1) / step);
    hashes_.reserve(keys_.capacity());
    for (std::size_t i = first; i < args.size(); i += step) {
      hashes_.push_back(session.KeyHash(keys_.size()));
      keys_.push_back(session.Key(args[i]));
    }
    if (repeated == Repeated::kDrop && keys_.size() > 1) {
      std::sort(keys_.begin(), keys_.end());
      keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    }
  }

  std::size_t window() const override { return kWindow; }
  std::optional<ClientRequest> Next(Now now) override {
    if (error_.has_value() || next_ == keys_.size()) return std::nullopt;
    return RequestOf(next_++, now);
  }
  void OnResult(std::uint32_t index, ClientResult result, Now now) override {
    if (error_.has_value()) return;
    if (!result.has_value()) {
      error_ = std::move(result.error());
      return;
    }
    Take(index, std::move(*result), now);
  }
  void WriteReply(RespWriter& out) override {
    if (error_.has_value()) return WriteError(out, *error_);
    WriteResults(out);
  }
  const std::vector<std::uint64_t>* key_hashes() const override { return &hashes_; }

 protected:
  std::size_t size() const { return keys_.size(); }
  const RowKey& key(std::size_t i) const { return keys_[i]; }
  RowKey TakeKey(std::size_t i) { return std::move(keys_[i]); }
  const RequestOptions& options() const { return options_; }
  void FailWith(Error error) {
    if (!error_.has_value()) error_ = std::move(error);
  }

 private:
  static constexpr std::size_t kWindow = 256;

  virtual ClientRequest RequestOf(std::size_t i, Now now) = 0;
  virtual void Take(std::size_t i, ClientOutcome outcome, Now now) = 0;
  virtual void WriteResults(RespWriter& out) = 0;

  RequestOptions options_;
  std::vector<RowKey> keys_;
  std::vector<std::uint64_t> hashes_;
  std::size_t next_ = 0;
  std::optional<Error> error_;
};

}  // namespace gyre
