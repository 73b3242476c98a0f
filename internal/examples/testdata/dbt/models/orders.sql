{{ config(materialized="table") }}

SELECT n AS id FROM generate_series(1, 100) AS n
