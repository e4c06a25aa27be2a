/* Load for `gridhil bench modbus`: closed loop, FC3 x 125 registers, one request in flight on
 * each connection, all connections through one epoll loop.
 * usage: modbus_load PORT UNIT ADDRESS CONNECTIONS SECONDS; prints "requests seconds p50_us p99_us". */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REPLY 259            /* MBAP 7 + function + byte count + 250 */
#define HISTOGRAM 1000000    /* one bucket a microsecond */

struct peer { int fd, got; uint64_t sent_ns; };
static uint32_t histogram[HISTOGRAM];
static uint8_t request[12] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 125};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void ask(struct peer *p) {
    p->got = 0;
    p->sent_ns = now_ns();
    if (send(p->fd, request, sizeof request, 0) != sizeof request) { perror("send"); exit(1); }
}

static uint64_t percentile(uint64_t total, double q) {
    uint64_t seen = 0, us = 0;
    while (us < HISTOGRAM - 1 && (seen += histogram[us]) < q * total) us++;
    return us;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int n = atoi(argv[4]), on = 1, e = epoll_create1(0);
    double seconds = atof(argv[5]);
    request[6] = atoi(argv[2]);
    request[8] = atoi(argv[3]) >> 8;
    request[9] = atoi(argv[3]) & 255;
    struct peer *peers = calloc(n, sizeof *peers);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < n; i++) {
        peers[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(peers[i].fd, (struct sockaddr *)&to, sizeof to)) { perror("connect"); return 1; }
        setsockopt(peers[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &peers[i]};
        epoll_ctl(e, EPOLL_CTL_ADD, peers[i].fd, &event);
    }
    uint64_t done = 0, start = now_ns(), end = start + (uint64_t)(seconds * 1e9), now = start;
    for (int i = 0; i < n; i++) ask(&peers[i]);
    struct epoll_event events[256];
    while (now < end) {
        int ready = epoll_wait(e, events, 256, 1000);
        if (ready == 0) { fprintf(stderr, "no answer for 1 s\n"); return 1; }
        for (int k = 0; k < ready; k++) {
            struct peer *p = events[k].data.ptr;
            uint8_t reply[REPLY];
            int got = recv(p->fd, reply + p->got, REPLY - p->got, 0);
            if (got <= 0) { fprintf(stderr, "connection closed\n"); return 1; }
            if (p->got == 0 && got >= 8 && reply[7] != 3) {
                fprintf(stderr, "refused: %02x %02x\n", reply[7], reply[8]);
                return 1;
            }
            if ((p->got += got) < REPLY) continue;
            now = now_ns();
            uint64_t us = (now - p->sent_ns) / 1000;
            histogram[us < HISTOGRAM ? us : HISTOGRAM - 1]++;
            done++;
            ask(p);
        }
    }
    printf("%llu %.6f %llu %llu\n", (unsigned long long)done, (now - start) / 1e9,
           (unsigned long long)percentile(done, 0.50), (unsigned long long)percentile(done, 0.99));
    return 0;
}
