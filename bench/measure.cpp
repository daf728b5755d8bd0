// measure COMMAND...: runs it and prints {"seconds": S, "peak_rss_bytes": B}: the wall time, and the resident memory of
// its largest process. Ends with the command's own status. Its standard output goes to stderr.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("usage: measure COMMAND...\n", stderr), 2;
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child < 0) return std::perror("fork"), 2;
  if (child == 0) {
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execvp(argv[1], argv + 1);
    std::perror(argv[1]);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  std::printf("{\"seconds\": %.3f, \"peak_rss_bytes\": %lld}\n", seconds.count(), 1024LL * usage.ru_maxrss);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
