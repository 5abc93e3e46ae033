// The load of bench/client_routing: puts and gets through the public client, for some seconds.
//   client_load MODE HOST:PORT,... THREADS SECONDS KEYS VALUE_BYTES
// owner: each request goes to an owner of its key. random: each goes to a node by chance, as behind
// a load balancer; by the same code, as a client that knows one address only, for each node. async:
// as owner, THREADS chains of asynchronous operations instead of threads that wait. handed: as
// owner, by threads that wait for the callbacks of asynchronous operations. fill: puts every key
// once. Prints one line of JSON: operations, errors, percentiles in microseconds.
#include <gyre/client.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <future>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Load {
  std::vector<gyre::Client> clients;  // one, or one for each node
  int keys = 0;
  std::string value;
  Clock::time_point end;
  std::atomic<long> errors = 0;
};

// One thing at a time: by turns a get and a put of some key, the put with what the get saw.
class Worker {
 public:
  Worker(Load& load, unsigned seed) : load_(load), random_(seed) {}

  void Run() {
    while (Clock::now() < load_.end) {
      Begin();
      if (is_get_) {
        OnGet(client().Get(key_));
      } else {
        OnPut(client().Put(key_, load_.value, context_));
      }
    }
  }

  void RunHanded() {
    while (Clock::now() < load_.end) {
      Begin();
      std::promise<void> answered;
      const auto then = [&](auto take) {
        return [&, take](auto outcome) { (this->*take)(outcome), answered.set_value(); };
      };
      const bool taken =
          is_get_ ? client().GetAsync(key_, {}, then(&Worker::OnGet))
                  : client().PutAsync(key_, load_.value, context_, {}, then(&Worker::OnPut));
      if (taken) answered.get_future().wait();
      if (!taken) ++load_.errors;
    }
  }

  // The same as a chain of callbacks.
  void RunAsync() {
    if (Clock::now() >= load_.end) return;
    Begin();
    const bool taken =
        is_get_ ? client().GetAsync(key_, {}, [this](auto found) { OnGet(found), RunAsync(); })
                : client().PutAsync(key_, load_.value, context_, {},
                                    [this](auto put) { OnPut(put), RunAsync(); });
    if (!taken) ++load_.errors;
  }

  std::vector<float> gets, puts;  // microseconds

 private:
  gyre::Client& client() { return load_.clients[random_() % load_.clients.size()]; }
  void Begin() {
    is_get_ = !is_get_;
    if (is_get_) key_ = "key" + std::to_string(random_() % static_cast<unsigned>(load_.keys));
    start_ = Clock::now();
  }
  float Took() const {
    return std::chrono::duration<float, std::micro>(Clock::now() - start_).count();
  }
  void OnGet(const gyre::Outcome<gyre::Found>& found) {
    gets.push_back(Took());
    if (!found) ++load_.errors;
    context_ = found ? found->context : gyre::Context();
  }
  void OnPut(const gyre::Outcome<gyre::Context>& put) {
    puts.push_back(Took());
    if (!put) ++load_.errors;
  }

  Load& load_;
  std::minstd_rand random_;
  bool is_get_ = false;
  std::string key_;
  gyre::Context context_;
  Clock::time_point start_;
};

float Percentile(std::vector<float>& sorted, double part) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1,
                         static_cast<std::size_t>(part * static_cast<double>(sorted.size())))];
}

void PrintLatency(const char* name, std::vector<float>& all) {
  std::sort(all.begin(), all.end());
  std::printf(", \"%s\": [%.1f, %.1f, %.1f]", name, Percentile(all, 0.5), Percentile(all, 0.99),
              Percentile(all, 0.999));
}

int Fill(Load& load) {
  for (int i = 0; i < load.keys; ++i) {
    const auto put = [&] {
      return load.clients[0].PutAsync("key" + std::to_string(i), load.value, {}, {},
                                      [&](const auto& done) { load.errors += done.ok() ? 0 : 1; });
    };
    while (!put()) load.clients[0].AwaitAsync(1000);
  }
  load.clients[0].AwaitAsync();
  return load.errors == 0 ? 0 : 1;
}

bool Connect(Load& load, const std::string& mode, const std::vector<std::string>& addresses) {
  const auto add = [&](std::vector<std::string> known) {
    gyre::ClientOptions options;
    options.addresses = std::move(known);
    options.learn_nodes = false;
    options.connections_per_node_max = 256;
    auto client = gyre::Client::Connect(options);
    if (!client) std::fprintf(stderr, "connect: %s\n", client.error().message.c_str());
    if (client) load.clients.push_back(std::move(*client));
    return client.ok();
  };
  if (mode != "random") return add(addresses);
  return std::all_of(addresses.begin(), addresses.end(),
                     [&](const std::string& address) { return add({address}); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return std::fprintf(stderr, "usage: see client_load.cc\n"), 2;
  const std::string mode = argv[1];
  const int width = std::atoi(argv[3]);
  Load load;
  load.keys = std::atoi(argv[5]);
  load.value.assign(static_cast<std::size_t>(std::atoi(argv[6])), 'v');
  std::vector<std::string> addresses;
  std::istringstream list(argv[2]);
  for (std::string each; std::getline(list, each, ',');) addresses.push_back(each);
  if (!Connect(load, mode, addresses)) return 1;
  if (mode == "fill") return Fill(load);

  const auto seconds = std::chrono::duration<double>(std::atof(argv[4]));
  load.end = Clock::now() + std::chrono::duration_cast<Clock::duration>(seconds);
  std::deque<Worker> workers;
  std::vector<std::thread> threads;
  for (int i = 0; i < width; ++i) {
    Worker& worker = workers.emplace_back(load, static_cast<unsigned>(i + 1));
    if (mode == "async") {
      worker.RunAsync();
    } else {
      threads.emplace_back([&] { mode == "handed" ? worker.RunHanded() : worker.Run(); });
    }
  }
  for (std::thread& thread : threads) thread.join();
  if (mode == "async") load.clients[0].AwaitAsync();

  std::vector<float> gets, puts;
  for (const Worker& worker : workers) {
    gets.insert(gets.end(), worker.gets.begin(), worker.gets.end());
    puts.insert(puts.end(), worker.puts.begin(), worker.puts.end());
  }
  std::printf("{\"operations\": %zu, \"errors\": %ld", gets.size() + puts.size(),
              load.errors.load());
  PrintLatency("gets", gets);
  PrintLatency("puts", puts);
  std::printf("}\n");
  return 0;
}
