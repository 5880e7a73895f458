# hrcam-bids as a BIDS App. Build it in the root of the repository; see docs/how-to/bids-app.md.
FROM python:3.11.13-slim-bookworm
COPY pyproject.toml README.md LICENSE constraints.txt /src/
COPY src /src/src
COPY container /src/container
RUN sh /src/container/install.sh /src /opt/hrcam && rm -r /src
USER 1000:1000
ENTRYPOINT ["/opt/hrcam/run.sh"]
