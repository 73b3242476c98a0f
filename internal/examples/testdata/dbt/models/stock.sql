{{ config(materialized="materialized_view") }}

SELECT 7 AS id
