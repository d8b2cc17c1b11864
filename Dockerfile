# The worker: producer and worker in one small image, without TensorFlow.
FROM python:3.13-slim
WORKDIR /app
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY shared shared
COPY worker worker
COPY producer producer
RUN pip install --no-cache-dir -c constraints.txt '.[worker]'
RUN useradd --create-home hangtag
USER hangtag
ENTRYPOINT ["hangtag"]
CMD ["worker"]
