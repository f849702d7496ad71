/*
 * Sends, then receives, SIZE bytes over TCP, each between two marks: 1 to 2 sent, 3 to 4
 * received. `net ADDRESS PORT`: whoever listens there takes SIZE bytes, answers one, and then
 * sends SIZE. Runs as a guest's process and on a bare machine alike; static.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/guest/mark.h"

#define SIZE (8u << 20)

static char buffer[64 << 10];

static void stop(const char *what)
{
	perror(what);
	exit(1);
}

static void send_all(int connection, size_t bytes)
{
	while (bytes) {
		ssize_t done = write(connection, buffer,
				     bytes < sizeof buffer ? bytes : sizeof buffer);

		if (done <= 0)
			stop("write");
		bytes -= (size_t)done;
	}
}

static void receive_all(int connection, size_t bytes)
{
	while (bytes) {
		ssize_t done =
			read(connection, buffer, bytes < sizeof buffer ? bytes : sizeof buffer);

		if (done <= 0)
			stop("read");
		bytes -= (size_t)done;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in peer = {.sin_family = AF_INET};
	int connection = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 3 || !inet_aton(argv[1], &peer.sin_addr))
		return 2;
	peer.sin_port = htons((uint16_t)atoi(argv[2]));
	if (connect(connection, (struct sockaddr *)&peer, sizeof peer))
		stop("connect");
	MARK(1);
	send_all(connection, SIZE);
	receive_all(connection, 1);
	MARK(2);
	send_all(connection, 1);
	MARK(3);
	receive_all(connection, SIZE);
	MARK(4);
	printf("BENCH net %u bytes each way\n", SIZE);
	return 0;
}
